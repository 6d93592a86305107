// Rows of a Parquet file: row group by row group, the filter's columns first, the others for what survives.

public import Columns
public import Diagnostics
import Storage

/// Reads row groups of one Parquet file as batches. One owner thread.
public final class ParquetSource: BatchSource {
    private let scan: FileScan
    private let filter: (any BatchFilter)?
    /// Output columns by stage of the filter.
    private let stages: [[Int]]
    private let contents: ScanContents

    private var nextGroup = 0
    private var current: RowGroupScan?
    /// The row group whose requests run while the current one is decoded.
    private var ahead: RowGroupScan?
    private var left: Int
    private var isCancelled = false
    /// One row for each constant column.
    private var constants: [Column?]
    private var counted = RequestCounters()

    /// Checks the scan; `filter` is applied inside, so that other columns are read only where rows survive.
    public init(_ scan: FileScan, filter: (any BatchFilter)? = nil) throws(SQLError) {
        self.scan = scan
        self.filter = filter
        stages = filter?.stages ?? []
        var isFiltered = Array(repeating: false, count: scan.columns.count)
        for stage in stages { for column in stage { isFiltered[column] = true } }
        contents = try ScanContents(scan, isFiltered: isFiltered)
        left = scan.limit ?? Int.max
        constants = scan.columns.map { column in
            guard case .constant(let value) = column.origin else { return nil }
            return Column.constant(value.isNull ? .null(column.type) : value, count: Batch.rowsMax)
        }
    }

    /// Starts the requests of the first row group without waiting for them.
    public func open() throws(SQLError) {
        guard nextGroup == 0, ahead == nil else { return }
        if scan.isFileCounted { scan.metrics.add(.filesOpened) }
        if contents.policy.isEager { ahead = try prepare() }
    }

    /// Gives up; requests under way are dropped and the next batch is an error.
    public func cancel() {
        isCancelled = true
        current?.cancel()
        ahead?.cancel()
    }

    /// Requests that ran ahead count, too.
    deinit { count() }

    public func next() throws(SQLError) -> Batch? {
        while left > 0 {
            if isCancelled { throw SQLError(.queryCanceled, "canceling statement due to user request") }
            if current == nil, !(try advance()) {
                count()
                return nil
            }
            guard let group = current else { return nil }
            guard let window = group.nextRows() else {
                current = nil
                count()
                continue
            }
            scan.metrics.add(.rowsRead, Int64(window.count))
            guard let batch = try read(group, window) else { continue }
            left -= batch.rows
            scan.metrics.add(.rowsReturned, Int64(batch.rows))
            if left <= 0 {
                current = nil
                ahead?.cancel()
                ahead = nil
                count()
            }
            return batch
        }
        return nil
    }

    // MARK: - Row groups

    /// Makes the next row group that may match, with its requests under way.
    private func prepare() throws(SQLError) -> RowGroupScan? {
        while nextGroup < scan.rowGroups.count {
            let group = scan.rowGroups[nextGroup]
            nextGroup += 1
            if let made = try RowGroupScan(contents, group) { return made }
            scan.metrics.add(.rowGroupsPruned)
        }
        return nil
    }

    /// Goes on to the next row group; false when there is none.
    private func advance() throws(SQLError) -> Bool {
        while true {
            let group: RowGroupScan
            if let ahead {
                group = ahead
                self.ahead = nil
            } else if let made = try prepare() {
                group = made
            } else {
                return false
            }
            if contents.policy.isEager { ahead = try prepare() }
            if try group.begin() {
                scan.metrics.add(.rowGroupsRead)
                current = group
                return true
            }
            group.cancel()
            scan.metrics.add(.rowGroupsPruned)
        }
    }

    /// Adds what was asked of storage since the last time.
    private func count() {
        let now = contents.storeMetrics.counters
        scan.metrics.add(now - counted)
        counted = now
    }

    // MARK: - Batches

    /// Reads a window of rows; nil when none survives.
    private func read(_ group: RowGroupScan, _ window: Range<Int>) throws(SQLError) -> Batch? {
        var columns: [Column?] = Array(repeating: nil, count: scan.columns.count)
        var selection: Selection?
        var rows = window.count
        if let filter {
            for (stage, looked) in stages.enumerated() {
                for column in looked where columns[column] == nil {
                    columns[column] = try self.column(column, group, window, selection, rows)
                }
                guard let passed = try filter.select(stage: stage, columns, rows: rows) else { continue }
                if passed.count == 0 { return nil }
                if passed.count == rows { continue }
                for index in columns.indices {
                    if let column = columns[index] { columns[index] = Moves.take(column, passed) }
                }
                selection = selection.map { ParquetSource.compose($0, passed) } ?? passed
                rows = passed.count
            }
        }
        if rows > left {
            rows = left
            selection = ParquetSource.first(rows, of: selection)
            for index in columns.indices {
                if let column = columns[index] {
                    columns[index] = Moves.take(column, ParquetSource.first(rows, of: nil))
                }
            }
        }
        var result: [Column] = []
        result.reserveCapacity(columns.count)
        for index in columns.indices {
            if let column = columns[index] {
                result.append(column)
            } else {
                result.append(try column(index, group, window, selection, rows))
            }
        }
        return Batch(result, rows: rows)
    }

    private func column(
        _ index: Int, _ group: RowGroupScan, _ window: Range<Int>, _ selection: Selection?, _ rows: Int
    ) throws(SQLError) -> Column {
        switch scan.columns[index].origin {
        case .file, .nested: return try group.column(index, window, selection)
        case .constant(let value):
            if let made = constants[index] { return Column.constant(made, rows: rows) }
            return Column.constant(value, count: rows)
        case .rowNumber:
            let values = Buffer(count: rows, of: Int64.self)
            let target = values.pointer(Int64.self)
            let first = group.fileRow(window.lowerBound)
            for row in 0..<rows { target[row] = first &+ Int64(selection.map { Int($0.rows[row]) } ?? row) }
            return Column(.int8, count: rows, values: values)
        }
    }

    /// The rows of the first selection that the second selects among them.
    private static func compose(_ first: Selection, _ second: Selection) -> Selection {
        let buffer = Buffer(count: second.count, of: Int32.self)
        Moves.gather(first.buffer.base, second.rows, second.count, stride: 4, to: buffer.base)
        return Selection(buffer, count: second.count)
    }

    /// The first rows of a selection, or of all rows.
    private static func first(_ rows: Int, of selection: Selection?) -> Selection {
        if let selection { return Selection(selection.buffer, count: rows) }
        let buffer = Buffer(count: rows, of: Int32.self)
        let target = buffer.pointer(Int32.self)
        for row in 0..<rows { target[row] = Int32(truncatingIfNeeded: row) }
        return Selection(buffer, count: rows)
    }
}
