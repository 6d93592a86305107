// One transaction of a PostgreSQL server: everything that a transaction here publishes, or nothing.
import Catalogs
import Columns
import Diagnostics
import Foundation
import PostgresClient
import PostgresWire

/// Begins with the first rows, ends with COMMIT or when every write was abandoned. Its calls wait for the server.
final class PostgresTransaction: @unchecked Sendable {
    // Sendable: the fields are used while holding `lock`.
    private let lock = NSLock()
    private let connection: PostgresConnection
    /// Lets the database count this connection.
    private let slot: ConnectionSlot
    /// Writes that are neither abandoned nor committed, by the number of their savepoint.
    private var live: Set<Int> = []
    private var serial = 0
    /// Tables that this transaction made: by the identity of the definition, with the savepoint behind which that was.
    private var made: [String: (oid: Int64, savepoint: Int)] = [:]
    private var hasEnded = false

    /// Connects and begins.
    init(_ slot: ConnectionSlot, _ connect: () throws(SQLError) -> PostgresConnection) throws(SQLError) {
        self.slot = slot
        connection = try connect()
        try connection.execute("BEGIN")
    }

    // MARK: - Writes

    /// Begins a write; returns its number.
    func beginWrite() throws(SQLError) -> Int {
        try locked { () throws(SQLError) -> Int in
            serial += 1
            try connection.execute("SAVEPOINT write_\(serial)")
            live.insert(serial)
            return serial
        }
    }

    /// Finds the table of a definition, making it when it is new. `empties`: its rows go first.
    func table(
        _ definition: ManagedDefinition, named name: TableName, empties: Bool
    ) throws(SQLError) -> String {
        try locked { () throws(SQLError) -> String in
            let place = try place(try oid(of: definition, named: name))
            if empties { try connection.execute("TRUNCATE \(place)") }
            return place
        }
    }

    /// Begins a COPY in binary, and sends what goes before the rows.
    func beginCopy(_ sql: String) throws(SQLError) {
        try locked { () throws(SQLError) in
            try connection.beginCopyIn(sql)
            try connection.put(CopyFormat.head)
        }
    }

    func put(_ bytes: UnsafeRawBufferPointer) throws(SQLError) {
        try locked { () throws(SQLError) in try connection.put(bytes) }
    }

    func endCopy() throws(SQLError) {
        try locked { () throws(SQLError) in
            try connection.put(CopyFormat.end)
            try connection.endCopyIn()
        }
    }

    /// Takes back what a write and those after it did. Returns whether no write is left: the transaction is over then.
    func abandon(_ number: Int, copying isCopying: Bool) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard !hasEnded else { return false }
        if live.contains(number) {
            // What fails here fails because the server has ended the COPY already, or because the connection is lost, and
            // with it the transaction: COMMIT will say so.
            if isCopying { _ = try? connection.endCopyIn(failing: "the statement has failed") }
            try? connection.execute("ROLLBACK TO SAVEPOINT write_\(number)")
            live = live.filter { $0 < number }
            made = made.filter { $0.value.savepoint < number }
        }
        guard live.isEmpty else { return false }
        hasEnded = true
        if !connection.isLost { try? connection.execute("ROLLBACK") }
        return true
    }

    // MARK: - The end

    /// Makes the changes and commits. Throws 08007 when it is not known whether that has happened.
    func commit(_ changes: [Change]) throws(SQLError) {
        lock.lock()
        defer { lock.unlock() }
        guard !hasEnded else { throw SQLError(.serializationFailure, "the transaction of the database has ended") }
        hasEnded = true
        do throws(SQLError) {
            try apply(changes)
        } catch {
            let error = PostgresTransaction.unsent(error)
            if !connection.isLost { try? connection.execute("ROLLBACK") }
            throw error
        }
        try connection.execute("COMMIT")
    }

    private func apply(_ changes: [Change]) throws(SQLError) {
        for case .dropSchema(let name) in changes { try drop(schema: name) }
        for case .putSchema(let schema) in changes {
            try connection.execute("CREATE SCHEMA IF NOT EXISTS \(PostgresSQL.quoted(schema.name))")
        }
        var puts: [(name: TableName, oid: Int64)] = []
        var gone: [TableName] = []
        for change in changes {
            switch change {
            case .put(let name, .managed(let definition)):
                puts.append((name, try oid(of: definition, named: name)))
            case .put(let name, _):
                throw SQLError(
                    .featureNotSupported, "\"\(name)\" cannot be made in an attached PostgreSQL database",
                    hint: "Tables can, with CREATE TABLE.")
            case .drop(let name): gone.append(name)
            case .putSchema, .dropSchema: break
            }
        }
        // Names may be swapped: what moves steps aside first, then what is in its way goes.
        let kept = Set(puts.map(\.oid))
        var moves: [(name: TableName, oid: Int64)] = []
        for put in puts where try oid(at: put.name) != put.oid {
            let aside = TableName(schema: put.name.schema, name: "apus_\(put.oid)_\(moves.count)")
            try move(put.oid, to: aside)
            moves.append(put)
        }
        for name in gone + moves.map(\.name) {
            guard let there = try oid(at: name), !kept.contains(there) else { continue }
            try drop(there)
        }
        for move in moves { try self.move(move.oid, to: move.name) }
    }

    private func drop(schema name: String) throws(SQLError) {
        let tables = try connection.query(
            "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN "
                + "('r', 'p', 'v', 'm', 'f'))", [.text(PostgresSQL.quoted(name))])
        // With tables it was DROP ... CASCADE, or the statement would have been refused.
        let isCascade = tables.bool(0, 0) == true
        try connection.execute("DROP SCHEMA \(PostgresSQL.quoted(name))\(isCascade ? " CASCADE" : "")")
    }

    private func drop(_ oid: Int64) throws(SQLError) {
        let kind = try connection.query("SELECT relkind::text FROM pg_class WHERE oid = $1::oid", [.int8(oid)])
        let word =
            switch kind.text(0, 0) {
            case "v": "VIEW"
            case "m": "MATERIALIZED VIEW"
            case "f": "FOREIGN TABLE"
            default: "TABLE"
            }
        try connection.execute("DROP \(word) \(try place(oid))")
    }

    private func move(_ oid: Int64, to name: TableName) throws(SQLError) {
        let now = try connection.query(
            "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                + "WHERE c.oid = $1::oid", [.int8(oid)])
        if now.text(0, 0) != name.schema {
            try connection.execute("ALTER TABLE \(try place(oid)) SET SCHEMA \(PostgresSQL.quoted(name.schema))")
        }
        if now.text(0, 1) != name.name {
            try connection.execute("ALTER TABLE \(try place(oid)) RENAME TO \(PostgresSQL.quoted(name.name))")
        }
    }

    // MARK: - Tables

    /// The OID of a definition's table, which is made when the server does not have it yet.
    private func oid(of definition: ManagedDefinition, named name: TableName) throws(SQLError) -> Int64 {
        if let oid = Int64(definition.identity) { return oid }
        if let known = made[definition.identity] { return known.oid }
        guard let new = try PostgresDefinition.read(definition).new else {
            throw SQLError(.internalError, "a table of an attached database is not described")
        }
        // Where another table has the name still, this one takes it at the end.
        let isTaken = try oid(at: name) != nil
        let temporary = "apus_new_" + UUID().uuidString.prefix(8).lowercased()
        let place = PostgresSQL.quoted(schema: name.schema, isTaken ? temporary : name.name)
        let columns = new.columns.map { column in
            "\(PostgresSQL.quoted(column.field.name)) \(column.field.type.name)"
                + (column.field.isNullable ? "" : " NOT NULL")
                + (column.defaultText.map { " DEFAULT \($0)" } ?? "")
        }
        try connection.execute("CREATE TABLE \(place) (\((columns + new.keys).joined(separator: ", ")))")
        let rows = try connection.query("SELECT to_regclass($1)::oid::bigint", [.text(place)])
        let oid = try rows.required(rows.int(0, 0))
        made[definition.identity] = (oid, serial)
        return oid
    }

    private func oid(at name: TableName) throws(SQLError) -> Int64? {
        try connection.query(
            "SELECT to_regclass($1)::oid::bigint", [.text(PostgresSQL.quoted(schema: name.schema, name.name))]
        ).int(0, 0)
    }

    /// The full name of a table, quoted.
    private func place(_ oid: Int64) throws(SQLError) -> String {
        let rows = try connection.query(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n "
                + "ON n.oid = c.relnamespace WHERE c.oid = $1::oid", [.int8(oid)])
        guard rows.count == 1, let place = rows.text(0, 0) else {
            throw SQLError(.serializationFailure, "a table was dropped by another transaction")
        }
        return place
    }

    private func locked<T>(_ body: () throws(SQLError) -> T) throws(SQLError) -> T {
        lock.lock()
        defer { lock.unlock() }
        guard !hasEnded else { throw SQLError(.serializationFailure, "the transaction of the database has ended") }
        do throws(SQLError) {
            return try body()
        } catch {
            throw PostgresTransaction.unsent(error)
        }
    }

    /// A connection that is lost before COMMIT has committed nothing.
    private static func unsent(_ error: SQLError) -> SQLError {
        guard error.state == PostgresConnection.answerLost else { return error }
        return SQLError(.connectionFailure, error.message, detail: error.detail)
    }
}
