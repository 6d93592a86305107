// The embedded store: one SQLite file in the data directory, through GRDB.
import Catalogs
import Diagnostics
import Foundation
import GRDB

/// A ref store in SQLite. One process at a time writes; readers do not wait (WAL).
struct SQLiteRefStore: RefStore {
    private let database: any DatabaseWriter

    /// Opens or makes the file, and brings its schema to this version; nil keeps everything in memory.
    init(path: String?) throws(SQLError) {
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(SQLiteRefStore.busySeconds)
            // A commit that was acknowledged survives a power cut.
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            if let path {
                database = try DatabasePool(path: path, configuration: configuration)
            } else {
                database = try DatabaseQueue(configuration: configuration)
            }
            try SQLiteRefStore.migrator.migrate(database)
        } catch {
            throw SQLiteRefStore.failure(error)
        }
    }

    /// How long a writer waits for another process.
    private static let busySeconds: TimeInterval = 10

    /// Steps from an empty file to this version. A step that has shipped is never changed.
    private static var migrator: DatabaseMigrator {
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
        return migrator
    }

    func objects(_ ids: [ObjectID]) async throws(SQLError) -> [ObjectID: Data] {
        try await guarded {
            try await database.read { database in
                var found: [ObjectID: Data] = [:]
                let statement = try database.cachedStatement(sql: "SELECT bytes FROM object WHERE id = ?")
                for id in ids {
                    if let bytes = try Data.fetchOne(statement, arguments: [id.hex]) { found[id] = bytes }
                }
                return found
            }
        }
    }

    func swap(
        _ kind: NamedRef.Kind, _ name: String, from: ObjectID?, to: ObjectID?, writing objects: [ObjectID: Data],
        at time: Int64
    ) async throws(SQLError) -> Bool {
        try await guarded {
            try await database.write { database in
                switch (from, to) {
                case (nil, let to?):
                    try database.execute(
                        sql: "INSERT OR IGNORE INTO ref (kind, name, head, created_at) VALUES (?, ?, ?, ?)",
                        arguments: [kind.rawValue, name, to.hex, time])
                case (let from?, let to?):
                    try database.execute(
                        sql: "UPDATE ref SET head = ? WHERE kind = ? AND name = ? AND head = ?",
                        arguments: [to.hex, kind.rawValue, name, from.hex])
                case (let from?, nil):
                    try database.execute(
                        sql: "DELETE FROM ref WHERE kind = ? AND name = ? AND head = ?",
                        arguments: [kind.rawValue, name, from.hex])
                case (nil, nil):
                    return false
                }
                guard database.changesCount == 1 else { return false }
                // Of the objects only the commit has the hash the ref moves to: a hash prefix finds commits alone.
                try SQLiteRefStore.insert(objects, commit: to, database)
                return true
            }
        }
    }

    private static func insert(_ objects: [ObjectID: Data], commit: ObjectID?, _ database: Database) throws {
        for (id, bytes) in objects {
            try database.execute(
                sql: "INSERT OR IGNORE INTO object (id, is_commit, bytes) VALUES (?, ?, ?)",
                arguments: [id.hex, id == commit, bytes])
        }
    }

    func store(_ objects: [ObjectID: Data], commit: ObjectID) async throws(SQLError) {
        try await guarded {
            try await database.write { try SQLiteRefStore.insert(objects, commit: commit, $0) }
        }
    }

    func setOptions(_ options: RefOptions, of kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> Bool {
        let text = String(decoding: try ObjectCoding.encode(options), as: UTF8.self)
        return try await guarded {
            try await database.write { database in
                try database.execute(
                    sql: "UPDATE ref SET options = ? WHERE kind = ? AND name = ?",
                    arguments: [text, kind.rawValue, name])
                return database.changesCount == 1
            }
        }
    }

    func rename(_ kind: NamedRef.Kind, _ name: String, to newName: String) async throws(SQLError) -> Bool {
        try await guarded {
            try await database.write { database in
                try database.execute(
                    sql: "UPDATE OR IGNORE ref SET name = ? WHERE kind = ? AND name = ?",
                    arguments: [newName, kind.rawValue, name])
                return database.changesCount == 1
            }
        }
    }

    func ref(_ kind: NamedRef.Kind, _ name: String) async throws(SQLError) -> StoredRef? {
        try await guarded {
            try await database.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT kind, name, head, created_at, options FROM ref WHERE kind = ? AND name = ?",
                    arguments: [kind.rawValue, name]
                ).flatMap { try SQLiteRefStore.stored($0) }
            }
        }
    }

    func refs() async throws(SQLError) -> [StoredRef] {
        try await guarded {
            try await database.read { database in
                try Row.fetchAll(database, sql: "SELECT kind, name, head, created_at, options FROM ref ORDER BY kind, name")
                    .compactMap { try SQLiteRefStore.stored($0) }
            }
        }
    }

    func commits(startingWith prefix: String) async throws(SQLError) -> [ObjectID] {
        try await guarded {
            try await database.read { database in
                try String.fetchAll(
                    database, sql: "SELECT id FROM object WHERE is_commit AND id >= ? AND id < ? LIMIT 2",
                    arguments: [prefix, prefix + "g"]
                ).map(ObjectID.init(hex:))
            }
        }
    }

    private static func stored(_ row: Row) throws -> StoredRef? {
        guard let kind = NamedRef.Kind(rawValue: row["kind"]) else { return nil }
        let text: String = row["options"]
        let options = try JSONDecoder().decode(RefOptions.self, from: Data(text.utf8))
        return StoredRef(
            kind: kind, name: row["name"], head: ObjectID(hex: row["head"]), createdAt: row["created_at"],
            options: options)
    }

    private func guarded<T: Sendable>(_ body: @Sendable () async throws -> T) async throws(SQLError) -> T {
        do {
            return try await body()
        } catch {
            throw SQLiteRefStore.failure(error)
        }
    }

    private static func failure(_ error: any Error) -> SQLError {
        if let known = error as? SQLError { return known }
        let reason = (error as? DatabaseError).map { $0.message ?? "code \($0.resultCode.rawValue)" } ?? "\(error)"
        return SQLError(.ioError, "could not use the catalog's database: \(reason)")
    }
}
