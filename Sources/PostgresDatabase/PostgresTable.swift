// A table of PostgreSQL that is read: COPY of the rows and columns that are wanted, in binary.
import Catalogs
import Columns
import Diagnostics
import Foundation
import PostgresClient
import PostgresWire

/// A table as the server's catalog describes it now.
struct PostgresTable: WritableTable {
    let definition: ManagedDefinition
    let place: TableName
    let columns: [PostgresColumn]
    /// From the last ANALYZE; nil: never.
    let rowsEstimated: Double?
    let bytes: Int64
    let format: PostgresTables

    var name: String { place.description }

    var schema: Schema { Schema(columns.map { Field($0.name, $0.type, isNullable: $0.isNullable) }) }

    var statistics: TableStatistics { TableStatistics(rows: rowsEstimated, sizeBytes: bytes) }

    var properties: [String: String] {
        var result: [String: String] = [:]
        for column in columns { result[TableProperty.defaultValue(of: column.name)] = column.defaultText }
        return result
    }

    func write(_ kind: WriteKind) -> any TableWrite { PostgresWrite(self, kind) }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        guard !request.columns.contains(where: { $0 >= columns.count }) else {
            throw SQLError(
                .featureNotSupported, "rows of an attached PostgreSQL database are not updated, deleted or merged",
                hint: "INSERT and TRUNCATE can be used, and CREATE OR REPLACE TABLE ... AS.")
        }
        guard !format.database.isOpen(format.transaction) else {
            throw SQLError(
                .featureNotSupported,
                "an attached PostgreSQL database cannot be read after a change in one transaction",
                hint: "COMMIT first.")
        }
        // Not made yet: no rows.
        guard Int64(definition.identity) != nil else { return ScanPlan(tasks: []) }
        return ScanPlan(tasks: [PostgresScan(table: self, request: request)])
    }
}

/// The whole scan: one COPY.
struct PostgresScan: ScanTask {
    let table: PostgresTable
    let request: ScanRequest
    var bytes: Int64 { table.bytes }
    var rows: Int64? { nil }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource { PostgresSource(self, context) }

    /// The query that is sent. `domains`: by table column.
    func query(_ domains: [Int: ColumnDomain]) -> String {
        let items = request.columns.map { index in
            let column = table.columns[index]
            return PostgresSQL.quoted(column.name) + (column.isDirect ? "" : "::text")
        }
        let conditions = domains.keys.sorted().compactMap { index in
            domains[index].flatMap { PostgresSQL.condition(table.columns[index], $0) }
        }
        return "SELECT \(items.joined(separator: ", ")) FROM "
            + PostgresSQL.quoted(schema: table.place.schema, table.place.name)
            + (conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND "))
            + (request.limit.map { " LIMIT \($0)" } ?? "")
    }
}

/// Reads the rows as they come; connects on the first call. One owner at a time.
private final class PostgresSource: BatchSource {
    private let scan: PostgresScan
    private let context: ScanContext
    private let decoder: CopyDecoder
    private var connection: PostgresConnection?
    private var slot: ConnectionSlot?
    private var watch: StopWatch?
    private var hasEnded = false

    /// Bytes of rows that are read before they are decoded.
    private static let bytesMax = 128 << 10

    init(_ scan: PostgresScan, _ context: ScanContext) {
        self.scan = scan
        self.context = context
        let columns = scan.request.columns.map { scan.table.columns[$0] }
        decoder = CopyDecoder(
            columns.map { Field($0.name, $0.type) }, CopyFormat(kind: .binary, delimiter: 9, null: []),
            table: scan.table.name, context: TextParseContext())
    }

    func next() throws(SQLError) -> Batch? {
        do throws(SQLError) {
            return try read()
        } catch {
            // Ours, when it is because of us that the server stopped.
            if let reason = context.stop?.reason { throw reason }
            throw error.state == PostgresConnection.answerLost
                ? SQLError(.connectionFailure, error.message, detail: error.detail) : error
        }
    }

    private func read() throws(SQLError) -> Batch? {
        while true {
            if let batch = try decoder.next(isLast: hasEnded) {
                context.metrics.add(.rowsRead, Int64(batch.rows))
                return try filtered(batch)
            }
            if hasEnded { return nil }
            try fill()
        }
    }

    /// Reads some rows.
    private func fill() throws(SQLError) {
        let connection = try connected()
        var bytes = 0
        while bytes < PostgresSource.bytesMax {
            let isRow = try connection.nextRow { row in
                decoder.append(raw: row)
                bytes += row.count
            }
            guard isRow else {
                hasEnded = true
                watch = nil
                slot?.keep(connection)
                (self.connection, slot) = (nil, nil)
                break
            }
        }
        context.metrics.add(.bytesRead, Int64(bytes))
    }

    private func connected() throws(SQLError) -> PostgresConnection {
        if let connection { return connection }
        let database = scan.table.format.database
        let slot = try database.slot()
        let made: PostgresConnection
        if let kept = slot.connection { made = kept } else { made = try database.connect() }
        if let stop = context.stop, let canceller = made.canceller() {
            watch = stop.watch { _ in Thread.detachNewThread { canceller.cancel() } }
        }
        // Bounds that the join's other side has found meanwhile.
        var domains = scan.request.domains
        for (output, domain) in context.dynamicDomains?() ?? [:] where scan.request.columns.indices.contains(output) {
            let column = scan.request.columns[output]
            domains[column] = domains[column].map { $0.intersect(domain) } ?? domain
        }
        context.metrics.add(.requests)
        self.slot = slot
        connection = made
        try made.beginCopyOut("COPY (\(scan.query(domains))) TO STDOUT (FORMAT binary)")
        return made
    }

    private func filtered(_ whole: Batch) throws(SQLError) -> Batch {
        var batch = whole
        guard let filter = context.filter else { return batch }
        for stage in filter.stages.indices where batch.rows > 0 {
            if let selection = try filter.select(stage: stage, batch.columns, rows: batch.rows) {
                batch = batch.take(selection.rows, count: selection.count)
            }
        }
        return batch
    }
}
