// Rows that an aggregate sees only at the end: DISTINCT ones once a group, ORDER BY ones in order.
import Columns
import Diagnostics
import Functions
import Planner

/// Collects the rows of one DISTINCT or ordered aggregate call. One owner thread at a time.
final class CallCollector {
    private let call: CallPlan
    /// For DISTINCT: group, arguments, order keys as the key of a table.
    private let distinct: GroupTable?
    /// Else: batches of group, arguments, order keys.
    private var kept: [Batch] = []
    private var keptBytes = 0
    /// Whether rows are told apart by group: else the group is left out of the table's key.
    private let hasGroups: Bool
    private let numbers = Scratch<Int32>()

    init(_ call: CallPlan, hasGroups: Bool) {
        self.call = call
        self.hasGroups = hasGroups
        let types = call.argumentTypes + call.order.map(\.type)
        distinct = call.isDistinct ? GroupTable((hasGroups ? [.int4] : []) + types) : nil
    }

    /// Rows kept.
    var rows: Int { distinct?.count ?? kept.reduce(0) { $0 + $1.rows } }

    var sizeBytes: Int { (distinct?.sizeBytes ?? 0) + keptBytes }

    /// Adds rows: arguments, then order keys.
    func add(_ columns: [Column], _ groups: GroupNumbers) throws(SQLError) {
        let owned = Buffer(count: groups.rows, of: Int32.self)
        if let numbers = groups.numbers {
            owned.pointer(Int32.self).update(from: numbers, count: groups.rows)
        } else {
            owned.fill(0)
        }
        add([Column(.int4, count: groups.rows, values: owned)] + columns, groups.rows)
    }

    private func add(_ columns: [Column], _ rows: Int) {
        if let distinct {
            distinct.find(hasGroups ? columns : Array(columns.dropFirst()), rows, to: numbers.room(rows))
        } else {
            let batch = Batch(columns, rows: rows)
            kept.append(batch)
            keptBytes += batch.ownBytes
        }
    }

    /// Adds another worker's rows, whose group i is `map.numbers[i]` here; drops those that go to group 0 when that is
    /// the spare group, of rows of other partitions.
    func merge(_ other: CallCollector, _ map: GroupNumbers, hasSpareGroup: Bool) throws(SQLError) {
        try other.forEach { (columns, rows) throws(SQLError) in
            guard let first = columns.first else { return }
            let flat = first.flat()
            let theirs = flat.pointer(Int32.self)
            let mapped = Buffer(count: rows, of: Int32.self)
            let out = mapped.pointer(Int32.self)
            guard let numbers = map.numbers else {
                out.update(repeating: 0, count: rows)
                add([Column(.int4, count: rows, values: mapped)] + columns.dropFirst(), rows)
                return
            }
            let chosen = Buffer(count: rows, of: Int32.self)
            let picked = chosen.pointer(Int32.self)
            var count = 0
            for row in 0..<rows {
                let number = numbers[Int(theirs[row])]
                out[count] = number
                picked[count] = Int32(truncatingIfNeeded: row)
                count &+= hasSpareGroup && number == 0 ? 0 : 1
            }
            withExtendedLifetime(flat) {}
            guard count > 0 else { return }
            var moved = [Column(.int4, count: count, values: mapped)]
            for column in columns.dropFirst() {
                moved.append(count == rows ? column : column.gather(UnsafePointer(picked), count: count))
            }
            add(moved, count)
        }
    }

    private func forEach(_ body: ([Column], Int) throws(SQLError) -> Void) throws(SQLError) {
        if let distinct {
            let keys = (hasGroups ? 1 : 0) + call.argumentTypes.count + call.order.count
            try GroupState.forRanges(distinct.count) { (range) throws(SQLError) in
                let first = hasGroups ? [] : [Column.constant(.int4(0), count: range.count)]
                try body(first + (0..<keys).map { distinct.column($0, range) }, range.count)
            }
        } else {
            for batch in kept { try body(batch.columns, batch.rows) }
        }
    }

    /// Gives the rows to the aggregate.
    func feed(
        _ aggregate: any Aggregate, groups: Int, _ run: QueryRun, _ account: MemoryAccount
    ) throws(SQLError) {
        let arguments = 1...max(1, call.arguments.count)
        if call.order.isEmpty {
            try forEach { (columns, rows) throws(SQLError) in
                try run.check()
                try feed(aggregate, columns, arguments, rows, groups)
            }
            return
        }
        var batches: [Batch] = []
        try forEach { (columns, rows) throws(SQLError) in batches.append(Batch(columns, rows: rows)) }
        guard let first = batches.first else { return }
        let total = batches.reduce(0) { $0 + $1.rows }
        let all = first.columns.indices.map { index in
            Gather.concatenate(batches.map { $0.columns[index] }, type: first.columns[index].type)
        }
        kept = []
        let bytes = Int64(Batch(all, rows: total).ownBytes)
        try account.add(bytes)
        let keys = [all[0]] + all[(1 + call.arguments.count)...]
        let orders =
            [KeyOrder()] + call.order.map { KeyOrder(isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) }
        let order = try RowSorter.order(
            keys.map { $0.flat() }, orders, rows: total, run: run, account: account)
        try GroupState.forRanges(total) { (range) throws(SQLError) in
            try run.check()
            let rows = UnsafePointer(order.pointer(Int32.self)) + range.lowerBound
            try feed(aggregate, all.map { $0.gather(rows, count: range.count) }, arguments, range.count, groups)
        }
        withExtendedLifetime(order) {}
        try account.add(-bytes - Int64(total * 4))
    }

    private func feed(
        _ aggregate: any Aggregate, _ columns: [Column], _ arguments: ClosedRange<Int>, _ rows: Int, _ groups: Int
    ) throws(SQLError) {
        let numbers = columns[0].flat()
        let given = call.arguments.isEmpty ? [] : Array(columns[arguments])
        try aggregate.update(
            given, groups: GroupNumbers(numbers: numbers.pointer(Int32.self), rows: rows, groups: groups))
        withExtendedLifetime(numbers) {}
    }
}
