// ORDER BY, top-N and DISTINCT ON: rows are kept column by column, row numbers are sorted, payload is gathered last.
import Columns
import Diagnostics
import Planner
import Synchronization

/// What a sort is told by lowering.
struct SortPlan: Sendable {
    /// Columns of the batches that come.
    var input: [PlanColumn]
    /// Those of them that come out, in order.
    var output: [PlanColumn]
    var keys: [SortKey]
    /// Rows `offset..<offset + limit` of the order; nil: to the end.
    var limit: Int?
    var offset = 0
    /// Rows equal to the last one come too.
    var withTies = false
    /// DISTINCT ON: only the first row of each run of rows equal in these comes out; they lead the sort keys.
    var distinct: [Expr]?

    init(input: [PlanColumn], output: [PlanColumn]? = nil, keys: [SortKey]) {
        self.input = input
        self.output = output ?? input
        self.keys = keys
    }

    var orders: [KeyOrder] { keys.map { KeyOrder(isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) } }

    /// Rows that can come out; nil: all.
    var rowsMax: Int? {
        guard let limit, distinct == nil else { return nil }
        let (sum, overflow) = limit.addingReportingOverflow(offset)
        return overflow ? nil : sum
    }
}

/// Keeps rows and sorts them when the last one has come.
final class SortStage: SinkStage {
    let plan: SortPlan
    fileprivate let account: MemoryAccount
    private let state = Mutex(State())
    /// Rows whose first key word is above it cannot be among the first; all workers lower it.
    fileprivate let bound = Atomic<UInt64>(.max)

    private struct State {
        var stores: [RowStore] = []
        var sorted: Sorted?
    }

    /// The rows, and their numbers in order.
    fileprivate struct Sorted: Sendable {
        let rows: Batch
        let order: Buffer
        let range: Range<Int>
    }

    init(_ plan: SortPlan, account: MemoryAccount) {
        self.plan = plan
        self.account = account
    }

    /// What is kept of each row: the input, then computed expressions; and where keys and distinct values stand.
    fileprivate var layout: KeptLayout {
        KeptLayout(plan.input, kept: plan.output, plan.keys.map(\.expr) + (plan.distinct ?? []))
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink { try SortWorker(self, run) }

    fileprivate func add(_ store: RowStore) { state.withLock { $0.stores.append(store) } }

    var rowsToFinish: Int { state.withLock { $0.stores.reduce(0) { $0 + $1.rows } } }

    func finish(_ run: QueryRun) throws(SQLError) {
        let stores = state.withLock { state in
            let all = state.stores
            state.stores = []
            return all
        }
        let layout = layout
        let rows = try RowStore.join(stores, types: layout.types, run)
        let keys = plan.keys.indices.map { rows.columns[layout.places[$0]] }
        let order = try RowSorter.order(keys, plan.orders, rows: rows.rows, run: run, account: account)
        var count = rows.rows
        if plan.distinct != nil {
            let values = layout.places[plan.keys.count...].map { rows.columns[$0] }
            count = try SortStage.keepFirst(order.pointer(Int32.self), count, values, run)
        }
        let start = min(plan.offset, count)
        var end = plan.limit.map { $0 < count - start ? start + $0 : count } ?? count
        if plan.withTies, end > start {
            let at = order.pointer(Int32.self)
            while end < count, KeyCompare.compare(keys, Int(at[end]), keys, Int(at[end - 1]), plan.orders) == 0 {
                end += 1
            }
        }
        let sorted = Sorted(rows: rows, order: order, range: start..<end)
        state.withLock { $0.sorted = sorted }
    }

    /// Keeps the first row number of each run of equal values.
    private static func keepFirst(
        _ order: UnsafeMutablePointer<Int32>, _ count: Int, _ values: [Column], _ run: QueryRun
    ) throws(SQLError) -> Int {
        guard count > 0 else { return 0 }
        var kept = 1
        for index in 1..<count {
            if index & 4095 == 0 { try run.check() }
            let row = order[index]
            if KeyEquality.equal(values, Int(row), values, Int(order[kept - 1])) { continue }
            order[kept] = row
            kept += 1
        }
        return kept
    }

    fileprivate func sorted() throws(SQLError) -> Sorted {
        guard let sorted = state.withLock({ $0.sorted }) else {
            throw SQLError(.internalError, "rows are read before they are sorted")
        }
        return sorted
    }
}

/// Columns of rows that are kept: some of the input's, then expressions that are none of them.
struct KeptLayout: Sendable {
    let types: [SQLType]
    /// Indexes of the kept columns in the input.
    let picked: [Int]
    /// By expression: its column.
    let places: [Int]
    private let computed: [Expr]
    private let input: [PlanColumn]

    init(_ input: [PlanColumn], kept: [PlanColumn], _ exprs: [Expr]) {
        var types = kept.map(\.type)
        picked = kept.compactMap { column in input.firstIndex { $0.id == column.id } }
        precondition(picked.count == kept.count)
        var places: [Int] = []
        var computed: [Expr] = []
        for expr in exprs {
            if case .column(let column) = expr, let index = kept.firstIndex(where: { $0.id == column.id }) {
                places.append(index)
            } else {
                places.append(types.count)
                types.append(expr.type)
                computed.append(expr)
            }
        }
        self.types = types
        self.places = places
        self.computed = computed
        self.input = input
    }

    /// Computes what is kept of a batch.
    func evaluator(_ run: QueryRun) throws(SQLError) -> KeptColumns {
        KeptColumns(picked, try compile(computed, ColumnLayout(input), run))
    }
}

/// Computes the columns that are kept of a batch. One owner thread at a time.
final class KeptColumns {
    private let picked: [Int]
    private let evaluators: [any Evaluator]

    init(_ picked: [Int], _ evaluators: [any Evaluator]) {
        self.picked = picked
        self.evaluators = evaluators
    }

    func evaluate(_ batch: Batch) throws(SQLError) -> Batch {
        var columns = picked.map { batch.columns[$0] }
        for evaluator in evaluators { columns.append(try evaluator.evaluate(batch)) }
        return Batch(columns, rows: batch.rows)
    }
}

/// One worker's rows; with a limit, it drops rows that others surely precede.
private final class SortWorker: Sink {
    private let stage: SortStage
    private let run: QueryRun
    private let layout: KeptLayout
    private let kept: KeptColumns
    private var store: RowStore
    private let top: Int?
    private let encoder: KeyEncoder
    private let words = Scratch<UInt64>()
    private let passing = Scratch<Int32>()
    /// The words of the last row that is among the first so far.
    private var threshold: [UInt64]?

    /// Candidates are thinned out when there are this many times the rows wanted, and at least a few batches.
    private static let candidatesPerRow = 3
    private static let candidatesMin = 8192

    init(_ stage: SortStage, _ run: QueryRun) throws(SQLError) {
        self.stage = stage
        self.run = run
        layout = stage.layout
        kept = try layout.evaluator(run)
        store = RowStore(types: layout.types, account: stage.account)
        top = stage.plan.rowsMax
        encoder = KeyEncoder(types: stage.plan.keys.map(\.expr.type), orders: stage.plan.orders)
    }

    func push(_ batch: Batch) throws(SQLError) -> Bool {
        try run.check()
        if top == 0 { return true }
        let rows = try kept.evaluate(batch)
        guard let top else {
            try store.append(rows)
            return true
        }
        try select(rows)
        if store.rows >= SortWorker.candidatesMin, store.rows / SortWorker.candidatesPerRow >= top {
            try thin(top)
        }
        return true
    }

    func combine() throws(SQLError) { stage.add(store) }

    /// Keeps rows that may be among the first.
    private func select(_ batch: Batch) throws(SQLError) {
        let shared = stage.bound.load(ordering: .relaxed)
        guard shared != .max || threshold != nil else {
            return try store.append(batch.columns, rows: batch.rows)
        }
        let width = encoder.words
        let found = words.room(batch.rows * width)
        encoder.encode(keys(batch), count: batch.rows, into: found)
        let rows = passing.room(batch.rows)
        var count = 0
        for row in 0..<batch.rows {
            rows[count] = Int32(truncatingIfNeeded: row)
            count &+= Int(truncatingIfNeeded: unsafeBitCast(found[row &* width] <= shared, to: UInt8.self))
        }
        if let threshold, width > 1, threshold[0] == shared {
            var kept = 0
            for index in 0..<count {
                rows[kept] = rows[index]
                kept += isAbove(found + Int(rows[index]) * width, threshold) ? 0 : 1
            }
            count = kept
        }
        guard count > 0 else { return }
        let picked = count == batch.rows ? batch : batch.take(rows, count: count)
        try store.append(picked.columns, rows: count)
    }

    private func isAbove(_ words: UnsafePointer<UInt64>, _ threshold: [UInt64]) -> Bool {
        for index in threshold.indices where words[index] != threshold[index] { return words[index] > threshold[index] }
        return false
    }

    private func keys(_ batch: Batch) -> [Column] {
        stage.plan.keys.indices.map { batch.columns[layout.places[$0]] }
    }

    /// Sorts the candidates and drops those behind the last row wanted.
    private func thin(_ top: Int) throws(SQLError) {
        let rows = try RowStore.join([store], types: layout.types, run)
        let keys = keys(rows)
        let order = try RowSorter.order(keys, stage.plan.orders, rows: rows.rows, run: run, account: stage.account)
        let at = order.pointer(Int32.self)
        var count = min(top, rows.rows)
        if stage.plan.withTies {
            while count < rows.rows,
                KeyCompare.compare(keys, Int(at[count]), keys, Int(at[count - 1]), stage.plan.orders) == 0
            {
                count += 1
            }
        }
        let last = Int(at[count - 1])
        let found = words.room(encoder.words)
        encoder.encode(keys, from: last, count: 1, into: found)
        threshold = (0..<encoder.words).map { found[$0] }
        stage.bound.min(found[0], ordering: .relaxed)
        let fresh = RowStore(types: layout.types, account: stage.account)
        var start = 0
        while start < count {
            let length = min(Batch.rowsMax, count - start)
            let part = rows.take(at + start, count: length)
            try fresh.append(part.columns, rows: length)
            start += length
        }
        try stage.account.add(Int64(-rows.rows * 4) - rows.columns.reduce(0) { $0 + Int64($1.sizeBytes) })
        store = fresh
    }
}

/// Gives the sorted rows, in order. Its pipeline must be serial.
final class SortedSource: SourceStage {
    private let stage: SortStage

    init(_ stage: SortStage) { self.stage = stage }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource {
        Worker(try stage.sorted(), columns: stage.plan.output.count, run)
    }

    private final class Worker: BatchSource {
        private let sorted: SortStage.Sorted
        private let columns: Int
        private let run: QueryRun
        private var position: Int

        init(_ sorted: SortStage.Sorted, columns: Int, _ run: QueryRun) {
            self.sorted = sorted
            self.columns = columns
            self.run = run
            position = sorted.range.lowerBound
        }

        func next() throws(SQLError) -> Batch? {
            try run.check()
            let count = min(Batch.rowsMax, sorted.range.upperBound - position)
            guard count > 0 else { return nil }
            let rows = sorted.order.pointer(Int32.self) + position
            position += count
            var taken: [Column] = []
            for column in sorted.rows.columns[..<columns] { taken.append(Gather.take(column, rows, count: count)) }
            return Batch(taken, rows: count)
        }
    }
}
