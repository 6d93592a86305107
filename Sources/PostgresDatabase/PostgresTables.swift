// The tables of a PostgreSQL database, as one of our transactions makes, opens and writes them.
import Catalogs
import Columns
import Diagnostics
import Foundation
import PostgresClient

/// What a ``ManagedDefinition`` says of a table of PostgreSQL, in the place of the metadata's location. The identity is
/// the table's OID, or a name of our own for a table that the server does not have yet.
struct PostgresDefinition: Codable {
    /// CREATE TABLE, for a table that the server does not have yet.
    var new: NewTable?
    /// The transaction of the server that has rows for it.
    var transaction: String?

    struct NewTable: Codable {
        var columns: [Column]
        var keys: [String]
    }
    struct Column: Codable {
        var field: Field
        var defaultText: String?
    }

    static let format = "postgres"

    static func read(_ definition: ManagedDefinition) throws(SQLError) -> PostgresDefinition {
        if definition.metadataLocation.isEmpty { return PostgresDefinition() }
        do {
            return try JSONDecoder().decode(PostgresDefinition.self, from: Data(definition.metadataLocation.utf8))
        } catch {
            throw SQLError(.internalError, "a table of an attached database is not described")
        }
    }

    func definition(_ identity: String) -> ManagedDefinition {
        let text = (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return ManagedDefinition(
            format: PostgresDefinition.format, identity: identity,
            metadataLocation: new == nil && transaction == nil ? "" : text, snapshotID: nil)
    }
}

/// The format of the tables of one database in one transaction.
struct PostgresTables: ManagedFormat {
    let database: PostgresDatabase
    /// Names the transaction.
    let transaction: String
    /// The server enforces what it is told.
    var enforcesKeys: Bool { true }

    func create(_ table: NewTable) async throws(SQLError) -> ManagedDefinition {
        try database.requireWritable()
        guard table.partitioning.isEmpty, table.sortOrder.isEmpty, table.location == nil else {
            throw refused("tables of a PostgreSQL database have no partitioning, sort order or location here")
        }
        guard table.properties[TableProperty.viewQuery] == nil else {
            throw refused("materialized views cannot be made in an attached PostgreSQL database")
        }
        var new = PostgresDefinition.NewTable(columns: [], keys: [])
        var rest = table.properties
        for field in table.columns {
            rest[TableProperty.declaredType(of: field.name)] = nil
            let text = rest.removeValue(forKey: TableProperty.defaultValue(of: field.name))
            var field = field
            if field.type == .unknown { field.type = .text }
            new.columns.append(PostgresDefinition.Column(field: field, defaultText: text))
        }
        for number in 1...max(rest.count, 1) {
            if let key = rest.removeValue(forKey: TableProperty.key(number)) { new.keys.append(key) }
        }
        if let name = rest.keys.min() {
            throw SQLError(
                .invalidParameterValue, "tables of a PostgreSQL database have no property \"\(name)\" here")
        }
        return PostgresDefinition(new: new).definition("new:" + UUID().uuidString)
    }

    func open(_ definition: ManagedDefinition, named name: TableName) async throws(SQLError) -> any WritableTable {
        let text = try PostgresDefinition.read(definition)
        if let new = text.new {
            return PostgresTable(
                definition: definition, place: name,
                columns: new.columns.map { PostgresColumn($0.field, defaultText: $0.defaultText) }, rowsEstimated: 0,
                bytes: 0, format: self)
        }
        guard let oid = Int64(definition.identity) else {
            throw SQLError(.internalError, "a table of an attached database is not described")
        }
        return try await database.pool.reading { (connection) throws(SQLError) in
            let facts = try connection.query(
                "SELECT reltuples::bigint, pg_relation_size(oid) FROM pg_class WHERE oid = $1::oid", [.int8(oid)])
            guard facts.count == 1 else {
                throw SQLError(.serializationFailure, "table \"\(name)\" was dropped by another transaction")
            }
            let rows = try connection.query(PostgresColumn.query, [.int8(oid)])
            var columns: [PostgresColumn] = []
            for row in 0..<rows.count { columns.append(try PostgresColumn(rows, row)) }
            let estimated = facts.int(0, 0).flatMap { $0 < 0 ? nil : Double($0) }
            return PostgresTable(
                definition: definition, place: name, columns: columns, rowsEstimated: estimated,
                bytes: facts.int(0, 1) ?? 0, format: self)
        }
    }

    func alter(
        _ definition: ManagedDefinition, named name: TableName, _ changes: [TableAlteration]
    ) async throws(SQLError) -> ManagedDefinition {
        throw refused("tables of a PostgreSQL database are altered in that database")
    }

    func merge(
        base: ManagedDefinition, source: ManagedDefinition, target: ManagedDefinition, named name: TableName
    ) async throws(SQLError) -> ManagedDefinition {
        throw refused("tables of a PostgreSQL database have no branches")
    }

    private func refused(_ message: String) -> SQLError { SQLError(.featureNotSupported, message) }
}
