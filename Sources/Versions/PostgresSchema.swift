// The tables of the shared store, version by version.
import Diagnostics
import PostgresClient

/// Brings a database's schema to this version.
struct PostgresSchema: Sendable {
    /// The database schema that holds the tables.
    let name: String

    /// Steps from nothing to this version. A step that has shipped is never changed; the next one is added at the end.
    private static let steps = [
        """
        CREATE TABLE @.object (
            id bytea PRIMARY KEY, is_commit boolean NOT NULL, seen_at bigint NOT NULL, bytes bytea NOT NULL);
        CREATE INDEX object_commit ON @.object (id) WHERE is_commit;
        CREATE INDEX object_seen ON @.object (seen_at, id);
        CREATE TABLE @.ref (
            kind text NOT NULL, name text NOT NULL, head bytea NOT NULL, created_at bigint NOT NULL,
            options text NOT NULL DEFAULT '{}', PRIMARY KEY (kind, name)) WITH (fillfactor = 50);
        """,
        """
        CREATE TABLE @.access (key text PRIMARY KEY, version bigint NOT NULL, bytes bytea);
        CREATE INDEX access_version ON @.access (version);
        """,
    ]

    static var latest: Int64 { Int64(steps.count) }

    /// SQL with the schema's name in place of @.
    func sql(_ text: String) -> String { text.replacing("@.", with: "\(name).") }

    /// Makes or upgrades the tables. One server at a time does it. Throws 0A000 for a database that a newer version made.
    func upgrade(_ connection: PostgresConnection) throws(SQLError) {
        if let version = try version(connection), version >= PostgresSchema.latest { return try check(connection) }
        try connection.transaction { () throws(SQLError) in
            _ = try connection.query("SELECT pg_advisory_xact_lock(hashtext('apus catalog'))")
            try connection.execute("CREATE SCHEMA IF NOT EXISTS \(name)")
            try connection.execute(sql("CREATE TABLE IF NOT EXISTS @.version (number bigint NOT NULL)"))
            let found = try version(connection) ?? 0
            try PostgresSchema.refuse(newer: found)
            for step in PostgresSchema.steps.dropFirst(Int(found)) { try connection.execute(sql(step)) }
            try connection.execute(
                sql("DELETE FROM @.version; INSERT INTO @.version VALUES (\(PostgresSchema.latest))"))
        }
    }

    /// Throws unless the tables are those of this version: asked of every connection, because another server may have
    /// upgraded them.
    func check(_ connection: PostgresConnection) throws(SQLError) {
        try PostgresSchema.refuse(newer: try version(connection) ?? 0)
    }

    private static func refuse(newer version: Int64) throws(SQLError) {
        guard version > latest else { return }
        throw SQLError(
            .featureNotSupported, "the catalog was made by a newer version of Apus",
            detail: "Its schema has version \(version), this server knows versions up to \(latest).",
            hint: "Start that version, or one that came after it.")
    }

    /// nil before the first upgrade.
    private func version(_ connection: PostgresConnection) throws(SQLError) -> Int64? {
        let known = try connection.query("SELECT to_regclass($1)::text", [.text("\(name).version")])
        guard known.text(0, 0) != nil else { return nil }
        let rows = try connection.query(sql("SELECT max(number) FROM @.version"))
        return rows.int(0, 0)
    }
}
