// The tables of the embedded store, version by version.
import Diagnostics
import GRDB

/// Brings a file to this version's schema.
enum SQLiteSchema {
    /// Steps from an empty file to this version. A step that has shipped is never changed.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: objects and refs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE object (id TEXT PRIMARY KEY, is_commit INTEGER NOT NULL, bytes BLOB NOT NULL)
                    WITHOUT ROWID;
                    CREATE INDEX object_commit ON object (id) WHERE is_commit;
                    CREATE TABLE ref (
                        kind TEXT NOT NULL, name TEXT NOT NULL, head TEXT NOT NULL, created_at INTEGER NOT NULL,
                        PRIMARY KEY (kind, name)
                    ) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("2: options of refs") { database in
            try database.execute(sql: "ALTER TABLE ref ADD COLUMN options TEXT NOT NULL DEFAULT '{}'")
        }
        migrator.registerMigration("3: when objects were last seen") { database in
            // Objects of older versions count as old: nothing was in flight while the file was upgraded.
            try database.execute(
                sql: """
                    ALTER TABLE object ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX object_seen ON object (seen_at, id);
                    """)
        }
        migrator.registerMigration("4: roles and rights") { database in
            try database.execute(
                sql: """
                    CREATE TABLE access (key TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB) WITHOUT ROWID;
                    CREATE INDEX access_version ON access (version);
                    """)
        }
        return migrator
    }

    /// Upgrades the file. Throws 0A000 for one that a newer version made.
    static func upgrade(_ database: any DatabaseWriter) throws {
        let migrator = migrator
        guard try !database.read(migrator.hasBeenSuperseded) else {
            throw SQLError(
                .featureNotSupported, "the catalog was made by a newer version of Apus",
                hint: "Start that version, or one that came after it.")
        }
        try migrator.migrate(database)
    }
}
