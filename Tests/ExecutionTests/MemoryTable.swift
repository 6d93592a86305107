// A table of batches, as scans see one: tasks that apply the filter in stages.
import Catalogs
import Columns
import Diagnostics

struct MemoryTable: Table {
    let name = "memory"
    let schema: Schema
    let batches: [Batch]
    var batchesPerTask = 2

    var statistics: TableStatistics { TableStatistics(rows: Double(batches.reduce(0) { $0 + $1.rows })) }

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        var tasks: [any ScanTask] = []
        var start = 0
        while start < batches.count {
            let end = min(start + batchesPerTask, batches.count)
            tasks.append(MemoryTask(batches: Array(batches[start..<end]), columns: request.columns))
            start = end
        }
        return ScanPlan(tasks: tasks)
    }
}

struct MemoryTask: ScanTask {
    let batches: [Batch]
    let columns: [Int]
    var bytes: Int64 { 1 }
    var rows: Int64? { Int64(batches.reduce(0) { $0 + $1.rows }) }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource {
        context.metrics.add(.filesOpened)
        return MemorySource(batches: batches, columns: columns, context: context)
    }
}

final class MemorySource: BatchSource {
    private let batches: [Batch]
    private let columns: [Int]
    private let context: ScanContext
    private var next_ = 0

    init(batches: [Batch], columns: [Int], context: ScanContext) {
        self.batches = batches
        self.columns = columns
        self.context = context
    }

    func next() throws(SQLError) -> Batch? {
        while next_ < batches.count {
            let whole = batches[next_]
            next_ += 1
            var batch = Batch(columns.map { whole.columns[$0] }, rows: whole.rows)
            context.metrics.add(.rowsRead, Int64(batch.rows))
            if let filter = context.filter {
                for (stage, needed) in filter.stages.enumerated() {
                    // Columns of later stages are withheld, as a file reader would.
                    let seen = Set(filter.stages[...stage].flatMap { $0 } + needed)
                    let given = batch.columns.enumerated().map { seen.contains($0.offset) ? $0.element : nil }
                    if let selection = try filter.select(stage: stage, given, rows: batch.rows) {
                        batch = batch.take(selection.rows, count: selection.count)
                    }
                    if batch.rows == 0 { break }
                }
            }
            if batch.rows > 0 { return batch }
        }
        return nil
    }
}
