// GROUP BY, grouping sets, DISTINCT: workers group what they see, then their groups are merged, by partition when
// there are many. Groups of a partition share the top bits of their hash, so a partition's table stays in the cache.
import Columns
import Diagnostics
import Functions
import Planner
import Synchronization

/// What an aggregation computes.
struct AggregatePlan: Sendable {
    let keys: [Expr]
    let keyTypes: [SQLType]
    /// Indexes into `keys`, for each grouping set.
    let sets: [[Int]]
    let calls: [CallPlan]
    /// Everything that the calls refer to.
    let inputs: [Expr]
    /// Whether the last output column is the number of the set.
    let hasSetColumn: Bool
    let layout: ColumnLayout

    init(
        groups: [LogicalPlan.Output], sets: [[Int]]?, calls: [AggregateCall], hasSetColumn: Bool,
        layout: ColumnLayout
    ) {
        keys = groups.map(\.expr)
        keyTypes = groups.map { $0.column.type }
        self.sets = sets ?? [Array(groups.indices)]
        self.hasSetColumn = hasSetColumn
        self.layout = layout
        var inputs: [Expr] = []
        func place(_ expr: Expr) -> Int {
            inputs.append(expr)
            return inputs.count - 1
        }
        self.calls = calls.map { call in
            CallPlan(
                function: call.function, arguments: call.arguments.map(place),
                argumentTypes: call.arguments.map(\.type), filter: call.filter.map(place),
                isDistinct: call.isDistinct && !call.function.ignoresDistinct,
                order: call.order.map {
                    (
                        input: place($0.expr), type: $0.expr.type, isDescending: $0.isDescending,
                        nullsFirst: $0.nullsFirst
                    )
                })
        }
        self.inputs = inputs
    }

    func state(set: Int, hasSpareGroup: Bool = false) -> GroupState {
        GroupState(keyTypes: sets[set].map { keyTypes[$0] }, calls: calls, hasSpareGroup: hasSpareGroup)
    }
}

/// The sink of an aggregation, and what its source reads.
final class AggregateStage: SinkStage {
    let plan: AggregatePlan
    let account: MemoryAccount
    private let state = Mutex(Shared())

    private struct Shared: @unchecked Sendable {
        // Sendable: states are handed over under the lock; one thread at a time works on each.
        var workers: [[WorkerGroups]] = []
        var parts: [Part] = []
        var next = 0
    }

    /// Groups that are merged and given out together.
    fileprivate struct Part: @unchecked Sendable {
        // Sendable: taken under the lock by one worker.
        let set: Int
        let states: [GroupState]
    }

    init(_ plan: AggregatePlan, account: MemoryAccount) {
        self.plan = plan
        self.account = account
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink { try AggregateSink(self, run) }

    fileprivate func combine(_ groups: [WorkerGroups]) { state.withLock { $0.workers.append(groups) } }

    func finish(_ run: QueryRun) throws(SQLError) {
        let workers = state.withLock { shared -> [[WorkerGroups]] in
            let workers = shared.workers
            shared.workers = []
            return workers
        }
        var parts: [Part] = []
        for set in plan.sets.indices {
            let groups = workers.map { $0[set] }
            if groups.contains(where: \.isPartitioned) {
                for worker in groups { try worker.partition() }
                for index in 0..<WorkerGroups.partitionCount {
                    parts.append(Part(set: set, states: groups.map { $0.partitions[index] }))
                }
            } else {
                parts.append(Part(set: set, states: groups.map(\.single)))
            }
        }
        state.withLock { $0.parts = parts }
    }

    /// Rows that the largest part has to sort or deduplicate.
    fileprivate var rowsAtOnce: Int {
        state.withLock { shared in
            shared.parts.reduce(0) { max($0, $1.states.reduce(0) { $0 + $1.collectedRows }) }
        }
    }

    /// The next part for a source worker.
    fileprivate func take() -> Part? {
        state.withLock { shared in
            guard shared.next < shared.parts.count else { return nil }
            let part = shared.parts[shared.next]
            // Frees each part's groups once they are given out.
            shared.parts[shared.next] = Part(set: part.set, states: [])
            shared.next += 1
            return part
        }
    }
}

/// One worker's groups of one grouping set: one table first, partitions when that outgrows the cache.
final class WorkerGroups {
    private let plan: AggregatePlan
    private let set: Int
    private(set) var single: GroupState
    private(set) var partitions: [GroupState] = []
    private var waiting: [(keys: [Column], inputs: [Column], rows: Int)] = []
    private var waitingRows = 0
    private var waitingBytes = 0

    static let partitionBits = 6
    static let partitionCount = 1 << partitionBits
    /// Groups above which rows go through partitions.
    private static let groupsMax = 32 << 10
    /// Rows, and their bytes, that are spread over partitions at a time: each partition gets some thousand, so that
    /// what they bring into the cache is used more than once.
    private static let waitingMax = 256 << 10
    private static let waitingBytesMax = 16 << 20

    init(_ plan: AggregatePlan, set: Int) {
        self.plan = plan
        self.set = set
        single = plan.state(set: set)
    }

    var isPartitioned: Bool { !partitions.isEmpty }

    var sizeBytes: Int { partitions.reduce(single.sizeBytes + waitingBytes) { $0 + $1.sizeBytes } }

    func update(_ keys: [Column], _ inputs: [Column], _ rows: Int) throws(SQLError) {
        guard isPartitioned else {
            try single.update(keys, inputs, rows)
            if single.count > WorkerGroups.groupsMax { try partition() }
            return
        }
        waiting.append((keys, inputs, rows))
        waitingRows += rows
        waitingBytes += Batch(keys + inputs, rows: rows).ownBytes
        if waitingRows >= WorkerGroups.waitingMax || waitingBytes >= WorkerGroups.waitingBytesMax { try flush() }
    }

    /// Moves all groups to partitions.
    func partition() throws(SQLError) {
        if !isPartitioned {
            partitions = (0..<WorkerGroups.partitionCount).map { _ in plan.state(set: set, hasSpareGroup: true) }
            let count = single.count
            let hashes = Buffer(count: max(1, count), of: UInt64.self)
            let numbers = Buffer(bytes: max(1, count))
            let out = numbers.pointer(UInt8.self)
            KeyHash.hash(single.keys(0..<count), rows: count, into: hashes.pointer(UInt64.self))
            let hash = hashes.pointer(UInt64.self)
            for group in 0..<count { out[group] = WorkerGroups.partition(of: hash[group]) }
            for index in 0..<WorkerGroups.partitionCount {
                try partitions[index].merge(single, partitions: out, wanted: UInt8(index))
            }
            withExtendedLifetime((hashes, numbers)) {}
            single = plan.state(set: set)
        }
        try flush()
    }

    @inline(__always)
    private static func partition(of hash: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: hash &>> UInt64(64 - partitionBits))
    }

    /// Spreads the waiting rows over the partitions.
    func flush() throws(SQLError) {
        guard waitingRows > 0 else { return }
        let rows = waitingRows
        let batches = waiting
        waiting = []
        waitingRows = 0
        waitingBytes = 0
        guard let first = batches.first else { return }
        let keys = first.keys.indices.map { index in
            Gather.concatenate(batches.map { $0.keys[index] }, type: first.keys[index].type)
        }
        let inputs = first.inputs.indices.map { index in
            Gather.concatenate(batches.map { $0.inputs[index] }, type: first.inputs[index].type)
        }
        let hashes = Buffer(count: rows, of: UInt64.self)
        KeyHash.hash(keys, rows: rows, into: hashes.pointer(UInt64.self))
        let order = Buffer(count: rows, of: Int32.self)
        let starts = WorkerGroups.sort(hashes.pointer(UInt64.self), rows, into: order.pointer(Int32.self))
        for index in 0..<WorkerGroups.partitionCount {
            let count = starts[index + 1] - starts[index]
            guard count > 0 else { continue }
            let chosen = UnsafePointer(order.pointer(Int32.self)) + starts[index]
            try partitions[index].update(
                keys.map { $0.gather(chosen, count: count) }, inputs.map { $0.gather(chosen, count: count) }, count)
        }
    }

    /// Row numbers by partition, in their order within it; returns where partitions start.
    private static func sort(
        _ hash: UnsafePointer<UInt64>, _ rows: Int, into order: UnsafeMutablePointer<Int32>
    ) -> [Int] {
        var starts = [Int](repeating: 0, count: partitionCount + 1)
        var next = [Int](repeating: 0, count: partitionCount)
        starts.withUnsafeMutableBufferPointer { starts in
            for row in 0..<rows { starts[Int(partition(of: hash[row])) + 1] &+= 1 }
            for index in 0..<partitionCount { starts[index + 1] += starts[index] }
        }
        for index in 0..<partitionCount { next[index] = starts[index] }
        next.withUnsafeMutableBufferPointer { next in
            for row in 0..<rows {
                let index = Int(partition(of: hash[row]))
                order[next[index]] = Int32(truncatingIfNeeded: row)
                next[index] &+= 1
            }
        }
        return starts
    }
}

/// One worker's end of the sink.
private final class AggregateSink: Sink {
    private let stage: AggregateStage
    private let keys: Int
    private let set: ExpressionSet
    private let groups: [WorkerGroups]
    private var batches = 0
    private var accounted: Int64 = 0

    /// Batches between two looks at how much memory the groups take.
    private static let accountEvery = 16

    init(_ stage: AggregateStage, _ run: QueryRun) throws(SQLError) {
        self.stage = stage
        keys = stage.plan.keys.count
        set = try ExpressionSet(stage.plan.keys + stage.plan.inputs, stage.plan.layout, run)
        groups = stage.plan.sets.indices.map { WorkerGroups(stage.plan, set: $0) }
    }

    func push(_ batch: Batch) throws(SQLError) -> Bool {
        let columns = try set.evaluate(batch)
        let inputs = Array(columns[keys...])
        for (index, members) in stage.plan.sets.enumerated() {
            try groups[index].update(members.map { columns[$0] }, inputs, batch.rows)
        }
        batches += 1
        if batches % AggregateSink.accountEvery == 0 { try settle() }
        return true
    }

    private func settle() throws(SQLError) {
        let bytes = Int64(groups.reduce(0) { $0 + $1.sizeBytes })
        try stage.account.add(bytes - accounted)
        accounted = bytes
    }

    func combine() throws(SQLError) {
        for group in groups where group.isPartitioned { try group.flush() }
        try settle()
        stage.combine(groups)
    }
}

/// Gives out the groups.
struct AggregateSourceStage: SourceStage {
    let stage: AggregateStage
    var rowsAtOnce: Int { stage.rowsAtOnce }
    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { AggregateSource(stage, run) }
}

private final class AggregateSource: BatchSource {
    private let stage: AggregateStage
    private let run: QueryRun
    private var set = 0
    private var current: GroupState?
    private var start = 0

    init(_ stage: AggregateStage, _ run: QueryRun) {
        self.stage = stage
        self.run = run
    }

    func next() throws(SQLError) -> Batch? {
        while true {
            if let current, start < current.count {
                let end = min(start + Batch.rowsMax, current.count)
                defer { start = end }
                return try batch(current, start..<end)
            }
            current = nil
            guard let part = stage.take() else { return nil }
            guard let first = part.states.first else { continue }
            for other in part.states.dropFirst() {
                try run.check()
                try first.merge(other)
            }
            try first.close(run, stage.account)
            set = part.set
            current = first
            start = 0
        }
    }

    private func batch(_ groups: GroupState, _ range: Range<Int>) throws(SQLError) -> Batch {
        let plan = stage.plan
        let members = plan.sets[set]
        let keys = groups.keys(range)
        var columns: [Column] = []
        for key in plan.keys.indices {
            if let position = members.firstIndex(of: key) {
                columns.append(keys[position])
            } else {
                columns.append(Column.constant(.null(plan.keyTypes[key]), count: range.count))
            }
        }
        columns += try groups.results(range)
        if plan.hasSetColumn { columns.append(Column.constant(.int4(Int32(set)), count: range.count)) }
        return Batch(columns, rows: range.count)
    }
}
