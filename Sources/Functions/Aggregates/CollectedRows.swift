// Aggregates that need all rows of a group at once: they are kept in batches and put in order of groups at the end.
import Columns
import Diagnostics

/// The argument rows of all groups.
final class CollectedRows {
    private struct Entry: BitwiseCopyable {
        var group: Int32
        var batch: Int32
        var row: Int32
    }

    private var batches: [[Column]] = []
    private var entries: [Entry] = []
    private var groups = 0
    private var bytes = 0
    /// First entry of each group once they are in order; nil while rows come in.
    private var starts: [Int]?

    /// Keeps the rows whose argument `required` is not NULL; nil keeps all.
    func add(_ arguments: [Column], _ numbers: GroupNumbers, required: Int?) throws(SQLError) {
        groups = max(groups, numbers.groups, 1)
        guard numbers.rows > 0 else { return }
        starts = nil
        let batch = Int32(batches.count)
        batches.append(arguments)
        for argument in arguments { bytes += argument.sizeBytes }
        let validity = required.flatMap { Flatten.validity(arguments[$0]) }
        entries.reserveCapacity(entries.count + numbers.rows)
        try numbers.each(validity.map { UnsafePointer($0.pointer(UInt64.self)) }) { (group, row) throws(SQLError) in
            entries.append(Entry(group: Int32(group), batch: batch, row: Int32(row)))
        }
    }

    func merge(_ other: CollectedRows, _ numbers: GroupNumbers) {
        groups = max(groups, numbers.groups, 1)
        starts = nil
        let offset = Int32(batches.count)
        batches += other.batches
        bytes += other.bytes
        other.order()
        for entry in other.entries {
            entries.append(
                Entry(
                    group: Int32(numbers.group(Int(entry.group))), batch: entry.batch + offset, row: entry.row))
        }
    }

    /// Puts the entries in order of groups, keeping the order of rows within each.
    private func order() {
        guard starts == nil else { return }
        var counts = [Int](repeating: 0, count: groups + 1)
        for entry in entries { counts[Int(entry.group) + 1] += 1 }
        for group in 0..<groups { counts[group + 1] += counts[group] }
        starts = counts
        var next = counts
        var ordered = entries
        for entry in entries {
            ordered[next[Int(entry.group)]] = entry
            next[Int(entry.group)] += 1
        }
        entries = ordered
    }

    /// Calls the body with the arguments' columns and the row number, for each row of a group.
    func each(_ group: Int, _ body: ([Column], Int) throws(SQLError) -> Void) throws(SQLError) {
        order()
        guard let starts, group < groups else { return }
        for index in starts[group]..<starts[group + 1] {
            try body(batches[Int(entries[index].batch)], Int(entries[index].row))
        }
    }

    func count(_ group: Int) -> Int {
        order()
        guard let starts, group < groups else { return 0 }
        return starts[group + 1] - starts[group]
    }

    var sizeBytes: Int { bytes + entries.count * MemoryLayout<Entry>.stride }
}

/// Collects rows and computes each group's scalar at the end.
final class CollectingAggregate: Aggregate {
    private let rows = CollectedRows()
    private let type: SQLType
    private let required: Int?
    private let body: @Sendable (CollectedRows, Int) throws(SQLError) -> Scalar

    init(
        _ type: SQLType, required: Int?, _ body: @escaping @Sendable (CollectedRows, Int) throws(SQLError) -> Scalar
    ) {
        self.type = type
        self.required = required
        self.body = body
    }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        try rows.add(arguments, groups, required: required)
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? CollectingAggregate else { throw AggregateResult.mismatch }
        rows.merge(other.rows, groups)
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        let builder = ColumnBuilder(type, capacity: range.count)
        for group in range { builder.append(try body(rows, group)) }
        return builder.finish()
    }

    var sizeBytes: Int { rows.sizeBytes }
}
