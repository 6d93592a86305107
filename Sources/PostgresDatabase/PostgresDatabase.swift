// A PostgreSQL database beside the lake: ATTACH 'postgresql://...' AS pg (TYPE postgres). Marts are read from it and
// published into it.
public import Catalogs
import Columns
public import Diagnostics
import Foundation
import PostgresClient
import Synchronization

/// Attaches PostgreSQL databases.
public struct PostgresDatabaseKind: DatabaseKind {
    public let name = "postgres"

    public init() {}

    /// The location is a URL or a connection string of libpq. Options: `read_only`, and `password`, which need not be
    /// in the location then.
    public func attach(_ location: String, options: [String: String]) async throws(SQLError) -> any AttachedDatabase {
        var rest = options
        let isReadOnly = try PostgresDatabaseKind.flag(rest.removeValue(forKey: "read_only") ?? "false")
        let password = rest.removeValue(forKey: "password")
        if let unknown = rest.keys.min() {
            throw SQLError(
                .invalidParameterValue, "unknown option \"\(unknown)\" of a PostgreSQL database",
                hint: "Options are: read_only, password.")
        }
        let database = PostgresDatabase(location, password: password, isReadOnly: isReadOnly)
        // Wrong addresses and passwords are known now.
        _ = try await database.schemas(at: try await database.commit(of: .branch("")))
        return database
    }

    private static func flag(_ text: String) throws(SQLError) -> Bool {
        switch text.lowercased() {
        case "true", "on", "yes", "1", "": true
        case "false", "off", "no", "0": false
        default: throw SQLError(.invalidParameterValue, "option \"read_only\" must be true or false")
        }
    }
}

/// One attached database. A commit of it is a transaction here: its name keeps the statements of one transaction
/// together, and every question is answered by what the server has at that moment.
final class PostgresDatabase: AttachedDatabase {
    let kind = "postgres"
    /// For questions to the server's catalog.
    let pool: PostgresPool
    private let url: String
    private let password: String?
    private let isReadOnly: Bool
    private let open = Mutex<[String: PostgresTransaction]>([:])
    private let connections: ConnectionSlots

    /// Connections for scans and transactions at one time; a statement that needs more is refused (53300).
    static let connectionsMax = 32

    init(_ url: String, password: String?, isReadOnly: Bool) {
        self.url = url
        self.password = password
        self.isReadOnly = isReadOnly
        connections = ConnectionSlots(max: PostgresDatabase.connectionsMax)
        var limits = PostgresLimits()
        limits.mayReadOnly = true
        pool = PostgresPool(url: url, password: password, limits: limits)
    }

    // MARK: - Connections

    func slot() throws(SQLError) -> ConnectionSlot { try connections.take() }

    /// Connects for a statement that may take its time.
    func connect() throws(SQLError) -> PostgresConnection {
        var limits = PostgresLimits()
        limits.statementMilliseconds = 0
        limits.mayReadOnly = true
        let connection = try PostgresConnection(url: url, password: password, limits: limits)
        try connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'")
        return connection
    }

    func requireWritable() throws(SQLError) {
        guard isReadOnly else { return }
        throw SQLError(.readOnlyTransaction, "the attached database is read-only")
    }

    // MARK: - Transactions

    /// The open transaction of a name; begins it.
    func transaction(_ name: String) throws(SQLError) -> PostgresTransaction {
        if let known = open.withLock({ $0[name] }) { return known }
        try requireWritable()
        let made = try PostgresTransaction(try slot()) { () throws(SQLError) in try connect() }
        open.withLock { $0[name] = made }
        return made
    }

    func isOpen(_ name: String) -> Bool { open.withLock { $0[name] != nil } }

    func forget(_ name: String) { open.withLock { $0[name] = nil } }

    func tables(at commit: CommitID) -> (any ManagedFormat)? { PostgresTables(database: self, transaction: commit.hex) }

    func commit(
        _ changes: [Change], to branch: String, expecting head: CommitID, note: CommitNote
    ) async throws(SQLError) -> CommitID {
        try requireWritable()
        var names: Set<String> = []
        for case .put(_, .managed(let definition)) in changes {
            if let name = try PostgresDefinition.read(definition).transaction { names.insert(name) }
        }
        guard names.count <= 1 else {
            throw SQLError(.internalError, "changes of several transactions of an attached database")
        }
        let name = names.first ?? head.hex
        defer { forget(name) }
        try await PostgresThread.run { () throws(SQLError) in try self.transaction(name).commit(changes) }
        return head
    }

    // MARK: - Catalog

    func commit(of ref: Ref) async throws(SQLError) -> CommitID { CommitID(hex: UUID().uuidString.lowercased()) }

    /// Schemas that are the server's own.
    private static let own = "nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
    /// Tables, partitioned tables, views, materialized views, foreign tables.
    private static let kinds = "relkind IN ('r', 'p', 'v', 'm', 'f')"

    func schemas(at commit: CommitID) async throws(SQLError) -> [SchemaDefinition] {
        try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(
                "SELECT nspname::text FROM pg_namespace WHERE \(PostgresDatabase.own) ORDER BY nspname COLLATE \"C\"")
            return (0..<rows.count).compactMap { rows.text($0, 0) }.map { SchemaDefinition(name: $0) }
        }
    }

    func schema(_ name: String, at commit: CommitID) async throws(SQLError) -> SchemaDefinition? {
        try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query("SELECT FROM pg_namespace WHERE nspname = $1::text", [.text(name)])
            return rows.count > 0 ? SchemaDefinition(name: name) : nil
        }
    }

    func names(in schema: String, at commit: CommitID) async throws(SQLError) -> [TableName] {
        try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(
                "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                    + "WHERE n.nspname = $1::text AND \(PostgresDatabase.kinds) ORDER BY c.relname COLLATE \"C\"",
                [.text(schema)])
            return (0..<rows.count).compactMap { rows.text($0, 0) }.map { TableName(schema: schema, name: $0) }
        }
    }

    func entries(_ names: Set<TableName>, at commit: CommitID) async throws(SQLError) -> [TableName: Entry] {
        let wanted = Array(names)
        return try await pool.reading { (connection) throws(SQLError) in
            let rows = try connection.query(
                "SELECT n.nspname::text, c.relname::text, c.oid::bigint FROM unnest($1::text[], $2::text[]) w (s, t) "
                    + "JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = n.oid "
                    + "AND c.relname = w.t WHERE \(PostgresDatabase.kinds)",
                [.texts(wanted.map(\.schema)), .texts(wanted.map(\.name))])
            var result: [TableName: Entry] = [:]
            for row in 0..<rows.count {
                let name = TableName(
                    schema: try rows.required(rows.text(row, 0)), name: try rows.required(rows.text(row, 1)))
                let oid = try rows.required(rows.int(row, 2))
                result[name] = .managed(PostgresDefinition().definition(String(oid)))
            }
            return result
        }
    }
}
