// A table whose rows are there already: what COPY has read, what the lake tells about itself.
import Catalogs
import Columns
import Diagnostics

/// Rows at hand as a table that a plan can scan.
struct RowsTable: Table {
    let name: String
    let schema: Schema
    let batches: [Batch]

    /// Batches that a worker takes at a time.
    private static let taskBatches = 16

    init(name: String, schema: Schema, batches: [Batch]) {
        self.name = name
        self.schema = schema
        self.batches = batches
    }

    /// Takes rows of scalars, whose types are those of the fields.
    init(name: String, fields: [Field], rows: [[Scalar]]) {
        var batches: [Batch] = []
        for start in stride(from: 0, to: rows.count, by: Batch.rowsMax) {
            let part = rows[start..<min(rows.count, start + Batch.rowsMax)]
            let builders = fields.map { ColumnBuilder($0.type, capacity: part.count) }
            for row in part {
                for (builder, value) in zip(builders, row) { builder.append(value) }
            }
            batches.append(Batch(builders.map { $0.finish() }, rows: part.count))
        }
        self.init(name: name, schema: Schema(fields), batches: batches)
    }

    var statistics: TableStatistics { TableStatistics(rows: Double(batches.reduce(0) { $0 + $1.rows })) }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        var tasks: [any ScanTask] = []
        for start in stride(from: 0, to: batches.count, by: RowsTable.taskBatches) {
            let part = Array(batches[start..<min(start + RowsTable.taskBatches, batches.count)])
            tasks.append(RowsTask(batches: part, columns: request.columns))
        }
        return ScanPlan(tasks: tasks)
    }
}

private struct RowsTask: ScanTask {
    let batches: [Batch]
    let columns: [Int]
    var bytes: Int64 { 0 }
    var rows: Int64? { Int64(batches.reduce(0) { $0 + $1.rows }) }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource { RowsSource(self, context.filter) }
}

private final class RowsSource: BatchSource {
    private let task: RowsTask
    private let filter: (any BatchFilter)?
    private var index = 0

    init(_ task: RowsTask, _ filter: (any BatchFilter)?) {
        self.task = task
        self.filter = filter
    }

    func next() throws(SQLError) -> Batch? {
        guard index < task.batches.count else { return nil }
        let whole = task.batches[index]
        index += 1
        var batch = Batch(task.columns.map { whole.columns[$0] }, rows: whole.rows)
        guard let filter else { return batch }
        for stage in filter.stages.indices where batch.rows > 0 {
            if let selection = try filter.select(stage: stage, batch.columns, rows: batch.rows) {
                batch = batch.take(selection.rows, count: selection.count)
            }
        }
        return batch
    }
}
