// Rows on their way into a table of PostgreSQL: binary COPY, in the one transaction that our commit ends.
import Catalogs
import Columns
import Diagnostics
import Foundation
import PostgresClient
import PostgresWire

/// A change of a table's rows. Workers encode side by side and send one after the other.
final class PostgresWrite: TableWrite, @unchecked Sendable {
    // Sendable: the fields are used while holding `lock`.
    private let table: PostgresTable
    private let kind: WriteKind
    private let lock = NSLock()
    private var begun: Begun?
    private var isCopying = false
    private var result: ManagedDefinition?

    private struct Begun {
        var transaction: PostgresTransaction
        var number: Int
        /// Places of the columns that are sent; nil before the first row.
        var columns: [Int]?
    }

    init(_ table: PostgresTable, _ kind: WriteKind) {
        self.table = table
        self.kind = kind
    }

    func sink() throws(SQLError) -> any RowSink { PostgresSink(self) }

    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        try await PostgresThread.run { () throws(SQLError) in try self.finished() }
    }

    func abandon() async { _ = try? await PostgresThread.run { () throws(SQLError) in self.takeBack() } }

    private func finished() throws(SQLError) -> ManagedDefinition {
        lock.lock()
        defer { lock.unlock() }
        if let result { return result }
        var begun = try begin()
        if isCopying {
            isCopying = false
            try begun.transaction.endCopy()
        } else if begun.columns == nil {
            // No rows: the table is made, or emptied, nevertheless.
            _ = try begun.transaction.table(table.definition, named: table.place, empties: kind == .replaceAll)
            begun.columns = []
            self.begun = begun
        }
        var text = try PostgresDefinition.read(table.definition)
        text.transaction = table.format.transaction
        let made = text.definition(table.definition.identity)
        result = made
        return made
    }

    private func takeBack() {
        lock.lock()
        defer { lock.unlock() }
        guard let begun else { return }
        if begun.transaction.abandon(begun.number, copying: isCopying) {
            table.format.database.forget(table.format.transaction)
        }
        isCopying = false
        self.begun = nil
    }

    private func begin() throws(SQLError) -> Begun {
        if let begun { return begun }
        let transaction = try table.format.database.transaction(table.format.transaction)
        let made = Begun(transaction: transaction, number: try transaction.beginWrite(), columns: nil)
        begun = made
        return made
    }

    /// Begins the COPY when there is none; returns the places of the columns that are sent.
    fileprivate func columns(for first: Batch) throws(SQLError) -> [Int] {
        lock.lock()
        defer { lock.unlock() }
        var begun = try begin()
        if let columns = begun.columns { return columns }
        var columns: [Int] = []
        for (index, column) in table.columns.enumerated() {
            let isGiven = (0..<first.rows).contains { first.columns[index].isValid($0) }
            // Without a value the server draws or computes its own, or leaves NULL.
            if column.isGenerated || !isGiven && column.isLeftOut { continue }
            guard column.isWritable else {
                throw SQLError(
                    .featureNotSupported,
                    "column \"\(column.name)\" of type \(column.typeName) cannot be written in an attached database")
            }
            columns.append(index)
        }
        let place = try begun.transaction.table(
            table.definition, named: table.place, empties: kind == .replaceAll)
        let names = columns.map { PostgresSQL.quoted(table.columns[$0].name) }.joined(separator: ", ")
        try begun.transaction.beginCopy("COPY \(place) (\(names)) FROM STDIN (FORMAT binary)")
        isCopying = true
        begun.columns = columns
        self.begun = begun
        return columns
    }

    fileprivate func put(_ buffer: WireBuffer) throws(SQLError) {
        lock.lock()
        defer { lock.unlock() }
        guard let begun, isCopying else { throw SQLError(.internalError, "rows after the end of a write") }
        try buffer.withBytes { bytes throws(SQLError) in try begun.transaction.put(bytes) }
    }

    /// The table's columns, for errors and encoders.
    fileprivate var tableColumns: [PostgresColumn] { table.columns }
}

/// One worker's end.
private final class PostgresSink: RowSink {
    private let write: PostgresWrite
    private let buffer = WireBuffer(capacity: PostgresSink.bytesMax)
    private var columns: [Int] = []
    private var encoder: RowEncoder?

    /// Bytes that are sent at a time.
    private static let bytesMax = 256 << 10

    init(_ write: PostgresWrite) { self.write = write }

    func append(_ batch: Batch) throws(SQLError) {
        guard batch.rows > 0 else { return }
        let rows = try encoder(for: batch)
        try refuseUnsent(batch)
        try rows.begin(Batch(columns.map { batch.columns[$0] }, rows: batch.rows))
        while rows.rowsLeft > 0 {
            _ = try rows.encode(into: buffer, rowsMax: Int.max, bytesMax: PostgresSink.bytesMax)
            if buffer.count >= PostgresSink.bytesMax { try flush() }
        }
    }

    func remove(_ places: Batch) throws(SQLError) {
        throw SQLError(
            .featureNotSupported, "rows of an attached PostgreSQL database are changed and deleted in that database")
    }

    func finish() throws(SQLError) { try flush() }

    private func flush() throws(SQLError) {
        guard buffer.count > 0 else { return }
        try write.put(buffer)
        buffer.removeAll()
    }

    private func encoder(for first: Batch) throws(SQLError) -> RowEncoder {
        if let encoder { return encoder }
        columns = try write.columns(for: first)
        let fields = columns.map { RowField(write.tableColumns[$0].name, write.tableColumns[$0].type) }
        let made = try RowEncoder(fields, formats: [.binary], zone: .utc, kind: nil)
        encoder = made
        return made
    }

    /// Which columns are sent was settled by the first rows.
    private func refuseUnsent(_ batch: Batch) throws(SQLError) {
        guard columns.count < batch.columns.count else { return }
        let sent = Set(columns)
        for index in batch.columns.indices where !sent.contains(index) {
            guard (0..<batch.rows).contains(where: { batch.columns[index].isValid($0) }) else { continue }
            let column = write.tableColumns[index]
            throw SQLError(
                column.isGenerated ? SQLState("428C9") : .featureNotSupported,
                column.isGenerated
                    ? "cannot insert a non-DEFAULT value into column \"\(column.name)\""
                    : "column \"\(column.name)\" must be given a value by all rows, or by none")
        }
    }
}
