// Window functions: rows are kept and sorted by partition and order; whole partitions are then computed by the workers.
import Columns
import Diagnostics
import Functions
import Planner
import Synchronization

/// What a window operator is told by lowering: calls over one partitioning and order.
struct WindowPlan: Sendable {
    var input: [PlanColumn]
    /// Input columns that come out, before the calls' columns.
    var kept: [PlanColumn]
    var partition: [Expr]
    var order: [SortKey]
    var calls: [(column: PlanColumn, call: WindowCall)]
    /// Rows of all frames, per row, from which on aggregates slide.
    var slidingMin = WindowAggregate.rowsPerFrameMin

    var orders: [KeyOrder] { order.map { KeyOrder(isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) } }

    /// Everything that is computed per row before sorting, after the kept columns: partition keys, sort keys, then each
    /// call's arguments and filter.
    var exprs: [Expr] {
        var all = partition + order.map(\.expr)
        for (_, call) in calls { all += call.arguments + (call.filter.map { [$0] } ?? []) }
        return all
    }
}

/// Keeps rows, sorts them, and finds their partitions.
final class WindowStage: SinkStage {
    let plan: WindowPlan
    fileprivate let account: MemoryAccount
    private let state = Mutex(State())
    fileprivate let taken = Atomic<Int>(0)

    private struct State {
        var stores: [RowStore] = []
        var sorted: Sorted?
    }

    /// The rows, their numbers in order, and runs of whole partitions to work on.
    fileprivate struct Sorted: Sendable {
        let rows: Batch
        let order: Buffer
        /// Starts of partitions in the order, and the end.
        let starts: [Int]
        /// Ranges of `starts`: partitions that one worker computes together.
        let tasks: [Range<Int>]
    }

    /// Partitions are put together up to this many rows.
    private static let taskRows = 64 << 10

    init(_ plan: WindowPlan, account: MemoryAccount) {
        self.plan = plan
        self.account = account
    }

    fileprivate var layout: KeptLayout { KeptLayout(plan.input, kept: plan.kept, plan.exprs) }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink {
        Worker(self, try layout.evaluator(run), RowStore(types: layout.types, account: account), run)
    }

    var rowsToFinish: Int { state.withLock { $0.stores.reduce(0) { $0 + $1.rows } } }

    func finish(_ run: QueryRun) throws(SQLError) {
        let stores = state.withLock { state in
            let all = state.stores
            state.stores = []
            return all
        }
        let layout = layout
        let rows = try RowStore.join(stores, types: layout.types, run)
        let keyCount = plan.partition.count + plan.order.count
        let keys = (0..<keyCount).map { rows.columns[layout.places[$0]] }
        let orders = plan.partition.map { _ in KeyOrder() } + plan.orders
        let order = try RowSorter.order(keys, orders, rows: rows.rows, run: run, account: account)
        let starts = try RowRuns.starts(
            Array(keys[..<plan.partition.count]), order.pointer(Int32.self), rows: rows.rows, run)
        var tasks: [Range<Int>] = []
        var first = 0
        for index in 0..<starts.count - 1
        where starts[index + 1] - starts[first] >= WindowStage.taskRows || index == starts.count - 2 {
            tasks.append(first..<index + 1)
            first = index + 1
        }
        let sorted = Sorted(rows: rows, order: order, starts: starts, tasks: tasks)
        state.withLock { $0.sorted = sorted }
    }

    fileprivate var rowsOfLargestTask: Int {
        guard let sorted = state.withLock({ $0.sorted }) else { return 0 }
        return sorted.tasks.reduce(0) { max($0, sorted.starts[$1.upperBound] - sorted.starts[$1.lowerBound]) }
    }

    fileprivate func sorted() throws(SQLError) -> Sorted {
        guard let sorted = state.withLock({ $0.sorted }) else {
            throw SQLError(.internalError, "windows are read before they are sorted")
        }
        return sorted
    }

    private final class Worker: Sink {
        private let stage: WindowStage
        private let kept: KeptColumns
        private let store: RowStore
        private let run: QueryRun

        init(_ stage: WindowStage, _ kept: KeptColumns, _ store: RowStore, _ run: QueryRun) {
            self.stage = stage
            self.kept = kept
            self.store = store
            self.run = run
        }

        func push(_ batch: Batch) throws(SQLError) -> Bool {
            try run.check()
            try store.append(try kept.evaluate(batch))
            return true
        }

        func combine() throws(SQLError) { stage.state.withLock { $0.stores.append(store) } }
    }
}

/// Runs of equal rows among sorted ones.
enum RowRuns {
    /// Returns where runs start, and the number of rows at the end. Without keys all rows are one run.
    static func starts(
        _ keys: [Column], _ order: UnsafePointer<Int32>, rows: Int, _ run: QueryRun
    ) throws(SQLError) -> [Int] {
        guard rows > 0 else { return [0] }
        var starts = [0]
        guard !keys.isEmpty else { return [0, rows] }
        let flags = Buffer(bytes: Batch.rowsMax)
        let same = flags.pointer(UInt8.self)
        var at = 1
        while at < rows {
            try run.check()
            let count = min(Batch.rowsMax, rows - at)
            same.update(repeating: 1, count: count)
            for key in keys {
                KeyEquality.match(
                    key, order + at, key, order + (at - 1), count: count, nullsEqual: true, into: same)
            }
            for index in 0..<count where same[index] == 0 { starts.append(at + index) }
            at += count
        }
        starts.append(rows)
        return starts
    }
}

/// Computes partitions, and gives their rows with the results.
final class WindowSource: SourceStage {
    private let stage: WindowStage

    init(_ stage: WindowStage) { self.stage = stage }

    var rowsAtOnce: Int { stage.rowsOfLargestTask }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource { Worker(stage, try stage.sorted(), run) }

    private final class Worker: BatchSource {
        private let stage: WindowStage
        private let sorted: WindowStage.Sorted
        private let run: QueryRun
        private var results: [Column] = []
        /// Rows of the task in hand, in the order of all rows.
        private var range = 0..<0
        private var position = 0

        init(_ stage: WindowStage, _ sorted: WindowStage.Sorted, _ run: QueryRun) {
            self.stage = stage
            self.sorted = sorted
            self.run = run
        }

        func next() throws(SQLError) -> Batch? {
            try run.check()
            while position >= range.count {
                let task = stage.taken.add(1, ordering: .relaxed).oldValue
                guard task < sorted.tasks.count else {
                    results = []
                    return nil
                }
                try compute(sorted.tasks[task])
            }
            let count = min(Batch.rowsMax, range.count - position)
            let rows = sorted.order.pointer(Int32.self) + range.lowerBound + position
            var columns: [Column] = []
            for index in stage.plan.kept.indices {
                columns.append(Gather.take(sorted.rows.columns[index], rows, count: count))
            }
            for result in results { columns.append(Gather.slice(result, from: position, count: count)) }
            position += count
            return Batch(columns, rows: count)
        }

        private func compute(_ task: Range<Int>) throws(SQLError) {
            let plan = stage.plan
            let layout = stage.layout
            range = sorted.starts[task.lowerBound]..<sorted.starts[task.upperBound]
            position = 0
            results = []
            let partitions = sorted.starts[task.lowerBound...task.upperBound].map { $0 - range.lowerBound }
            let rows = sorted.order.pointer(Int32.self) + range.lowerBound
            var place = plan.partition.count
            let columns = sorted.rows.columns
            var keys: [Column] = []
            for _ in plan.order {
                keys.append(columns[layout.places[place]])
                place += 1
            }
            let chunk = try WindowChunk(
                rows: rows, count: range.count, partitions: partitions, keys: keys, orders: plan.orders, run)
            for (_, call) in plan.calls {
                var arguments: [Column] = []
                for _ in call.arguments {
                    arguments.append(Gather.take(columns[layout.places[place]], rows, count: range.count))
                    place += 1
                }
                var filter: Column?
                if call.filter != nil {
                    filter = Gather.take(columns[layout.places[place]], rows, count: range.count)
                    place += 1
                }
                results.append(
                    try chunk.evaluate(
                        call, arguments, filter, account: stage.account, slidingMin: plan.slidingMin))
            }
        }
    }
}
