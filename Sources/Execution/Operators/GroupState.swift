// The groups of one worker (or one partition) with the states of all aggregates.
import Columns
import Diagnostics
import Functions
import Planner

/// An aggregate call with the places of its inputs among the columns that an aggregation evaluates.
struct CallPlan: Sendable {
    let function: BoundAggregate
    let arguments: [Int]
    let argumentTypes: [SQLType]
    let filter: Int?
    /// Rows are collected and deduplicated before the aggregate sees them.
    let isDistinct: Bool
    let order: [(input: Int, type: SQLType, isDescending: Bool, nullsFirst: Bool)]

    /// Whether rows are kept until the end.
    var isCollected: Bool { isDistinct || !order.isEmpty }
}

/// Groups and their aggregates. One owner thread at a time.
final class GroupState {
    private let keyTypes: [SQLType]
    private let calls: [CallPlan]
    /// nil when there is one group of all rows.
    let table: GroupTable?
    private let aggregates: [any Aggregate]
    /// By call: rows kept until the end.
    private let collectors: [CallCollector?]
    /// Group number of the table's first group within the aggregates: 1 when 0 is kept for rows of other partitions.
    private let offset: Int32
    private let numbers = Scratch<Int32>()
    private let filteredNumbers = Scratch<Int32>()
    private let filteredRows = Scratch<Int32>()
    private let truths = Scratch<UInt8>()
    private var isFinished = false

    init(keyTypes: [SQLType], calls: [CallPlan], hasSpareGroup: Bool = false) {
        self.keyTypes = keyTypes
        self.calls = calls
        table = keyTypes.isEmpty ? nil : GroupTable(keyTypes)
        aggregates = calls.map { $0.function.make() }
        collectors = calls.map { $0.isCollected ? CallCollector($0, hasGroups: !keyTypes.isEmpty) : nil }
        offset = hasSpareGroup ? 1 : 0
    }

    /// Groups so far.
    var count: Int { table?.count ?? 1 }

    /// Rows that wait for ``close(_:_:)``.
    var collectedRows: Int { collectors.reduce(0) { $0 + ($1?.rows ?? 0) } }

    var sizeBytes: Int {
        var bytes = table?.sizeBytes ?? 0
        for aggregate in aggregates { bytes += aggregate.sizeBytes }
        for collector in collectors { bytes += collector?.sizeBytes ?? 0 }
        return bytes
    }

    /// Adds rows: `keys` are the group columns, `inputs` what the calls refer to.
    func update(_ keys: [Column], _ inputs: [Column], _ rows: Int) throws(SQLError) {
        guard rows > 0 else { return }
        var all: GroupNumbers
        if let table {
            let out = numbers.room(rows)
            table.find(keys, rows, to: out)
            if offset != 0 { for row in 0..<rows { out[row] &+= offset } }
            all = GroupNumbers(numbers: UnsafePointer(out), rows: rows, groups: table.count + Int(offset))
        } else {
            all = GroupNumbers(numbers: nil, rows: rows, groups: 1)
        }
        for (index, call) in calls.enumerated() {
            var columns: [Column] = []
            columns.reserveCapacity(call.arguments.count + call.order.count)
            for argument in call.arguments { columns.append(inputs[argument]) }
            for key in call.order { columns.append(inputs[key.input]) }
            var groups = all
            if let filter = call.filter {
                guard let narrowed = narrow(&columns, inputs[filter], all) else { continue }
                groups = narrowed
            }
            if let collector = collectors[index] {
                try collector.add(columns, groups)
            } else {
                try aggregates[index].update(columns, groups: groups)
            }
        }
    }

    /// Keeps rows whose filter is true; nil when none is.
    private func narrow(_ columns: inout [Column], _ filter: Column, _ all: GroupNumbers) -> GroupNumbers? {
        let truth = truths.room(all.rows)
        Truth.write(filter, all.rows, to: truth)
        let rows = filteredRows.room(all.rows)
        let count = Truth.rows(truth, all.rows, equal: Truth.yes, into: rows)
        guard count > 0 else { return nil }
        if count == all.rows { return all }
        for index in columns.indices { columns[index] = columns[index].gather(UnsafePointer(rows), count: count) }
        guard let numbers = all.numbers else { return GroupNumbers(numbers: nil, rows: count, groups: all.groups) }
        let out = filteredNumbers.room(count)
        for index in 0..<count { out[index] = numbers[Int(rows[index])] }
        return GroupNumbers(numbers: UnsafePointer(out), rows: count, groups: all.groups)
    }

    /// Adds the groups of another worker's state.
    func merge(_ other: GroupState) throws(SQLError) {
        guard let table, let otherTable = other.table else {
            try mergeStates(other, GroupNumbers(numbers: nil, rows: 1, groups: 1))
            return
        }
        guard otherTable.count > 0 else { return }
        let spare = Int(other.offset)
        let map = Buffer(count: otherTable.count + spare, of: Int32.self)
        let target = map.pointer(Int32.self)
        if spare == 1 { target[0] = 0 }
        try GroupState.forRanges(otherTable.count) { (range) throws(SQLError) in
            table.find(
                keyTypes.indices.map { otherTable.column($0, range) }, range.count,
                to: target + range.lowerBound + spare)
        }
        for index in spare..<otherTable.count + spare { target[index] &+= offset }
        try mergeStates(
            other,
            GroupNumbers(
                numbers: UnsafePointer(target), rows: otherTable.count + spare, groups: table.count + Int(offset)))
        withExtendedLifetime(map) {}
    }

    private func mergeStates(_ other: GroupState, _ map: GroupNumbers) throws(SQLError) {
        for index in calls.indices {
            if let mine = collectors[index], let theirs = other.collectors[index] {
                try mine.merge(theirs, map, hasSpareGroup: offset == 1)
            } else {
                try aggregates[index].merge(other.aggregates[index], groups: map)
            }
        }
    }

    /// Adds those groups of `other` whose entry in `partitions` is `wanted`; this state must have a spare group.
    func merge(_ other: GroupState, partitions: UnsafePointer<UInt8>, wanted: UInt8) throws(SQLError) {
        guard let table, let otherTable = other.table, otherTable.count > 0 else { return }
        let map = Buffer(count: otherTable.count, of: Int32.self)
        let chosen = Buffer(count: otherTable.count, of: Int32.self)
        let (target, rows) = (map.pointer(Int32.self), chosen.pointer(Int32.self))
        var count = 0
        for group in 0..<otherTable.count {
            target[group] = 0
            rows[count] = Int32(truncatingIfNeeded: group)
            count &+= partitions[group] == wanted ? 1 : 0
        }
        guard count > 0 else { return }
        let found = numbers.room(count)
        let all = keyTypes.indices.map { otherTable.column($0, 0..<otherTable.count) }
        table.find(all.map { $0.gather(UnsafePointer(rows), count: count) }, count, to: found)
        for index in 0..<count { target[Int(rows[index])] = found[index] &+ offset }
        try mergeStates(
            other,
            GroupNumbers(
                numbers: UnsafePointer(target), rows: otherTable.count, groups: table.count + Int(offset)))
        withExtendedLifetime((map, chosen)) {}
    }

    /// Feeds collected rows to their aggregates. Called once, before results are asked for.
    func close(_ run: QueryRun, _ account: MemoryAccount) throws(SQLError) {
        guard !isFinished else { return }
        isFinished = true
        let groups = count + Int(offset)
        for (index, collector) in collectors.enumerated() {
            guard let collector else { continue }
            try collector.feed(aggregates[index], groups: groups, run, account)
        }
    }

    /// The key columns of a range of groups.
    func keys(_ range: Range<Int>) -> [Column] {
        guard let table else { return [] }
        return keyTypes.indices.map { table.column($0, range) }
    }

    /// The results of a range of groups.
    func results(_ range: Range<Int>) throws(SQLError) -> [Column] {
        var columns: [Column] = []
        let shifted = range.lowerBound + Int(offset)..<range.upperBound + Int(offset)
        for aggregate in aggregates { columns.append(try aggregate.finish(shifted)) }
        return columns
    }

    /// Steps through `count` items by ranges of batch size.
    static func forRanges(_ count: Int, _ body: (Range<Int>) throws(SQLError) -> Void) throws(SQLError) {
        var start = 0
        while start < count {
            let end = min(start + Batch.rowsMax, count)
            try body(start..<end)
            start = end
        }
    }
}
