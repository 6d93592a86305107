// Rows that are computed once and read several times: WITH queries, and inputs that must be whole.
import Columns
import Diagnostics
import Synchronization

/// Keeps the rows of a flow.
final class MaterializeStage: SinkStage {
    private let types: [SQLType]
    private let account: MemoryAccount
    private let state = Mutex<(stores: [RowStore], rows: Batch?)>(([], nil))

    init(types: [SQLType], account: MemoryAccount) {
        self.types = types
        self.account = account
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink {
        Worker(self, RowStore(types: types, account: account), run)
    }

    var rowsToFinish: Int { state.withLock { $0.stores.reduce(0) { $0 + $1.rows } } }

    func finish(_ run: QueryRun) throws(SQLError) {
        let stores = state.withLock { $0.stores }
        let rows = try RowStore.join(stores, types: types, run)
        state.withLock { $0 = ([], rows) }
    }

    /// The rows, once finished.
    func rows() throws(SQLError) -> Batch {
        guard let rows = state.withLock({ $0.rows }) else {
            throw SQLError(.internalError, "rows are read before they are kept")
        }
        return rows
    }

    private final class Worker: Sink {
        private let stage: MaterializeStage
        private let store: RowStore
        private let run: QueryRun

        init(_ stage: MaterializeStage, _ store: RowStore, _ run: QueryRun) {
            self.stage = stage
            self.store = store
            self.run = run
        }

        func push(_ batch: Batch) throws(SQLError) -> Bool {
            try run.check()
            try store.append(batch)
            return true
        }

        func combine() throws(SQLError) { stage.state.withLock { $0.stores.append(store) } }
    }
}

/// Gives kept rows; workers share them.
final class MaterializedSource: SourceStage {
    private let rows: @Sendable () throws(SQLError) -> Batch
    private let columns: [Int]?
    private let taken = Atomic<Int>(0)

    /// `columns` picks and orders columns; nil: all.
    init(_ stage: MaterializeStage, columns: [Int]? = nil) {
        rows = { () throws(SQLError) -> Batch in try stage.rows() }
        self.columns = columns
    }

    /// Gives rows that are there already.
    init(_ batch: Batch) {
        rows = { () throws(SQLError) -> Batch in batch }
        columns = nil
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any BatchSource {
        var all = try rows()
        if let columns { all.columns = columns.map { all.columns[$0] } }
        return Worker(self, all, run)
    }

    private final class Worker: BatchSource {
        private let stage: MaterializedSource
        private let rows: Batch
        private let run: QueryRun

        init(_ stage: MaterializedSource, _ rows: Batch, _ run: QueryRun) {
            self.stage = stage
            self.rows = rows
            self.run = run
        }

        func next() throws(SQLError) -> Batch? {
            try run.check()
            let start = stage.taken.add(Batch.rowsMax, ordering: .relaxed).oldValue
            guard start < rows.rows else { return nil }
            return rows.slice(from: start, count: min(Batch.rowsMax, rows.rows - start))
        }
    }
}

/// Reorders columns.
struct PickStage: TransformStage {
    let columns: [Int]

    func worker(_ run: QueryRun) throws(SQLError) -> any Transform { Worker(columns) }

    private final class Worker: Transform {
        private let columns: [Int]
        init(_ columns: [Int]) { self.columns = columns }
        func apply(_ input: Batch) throws(SQLError) -> Output {
            .one(Batch(columns.map { input.columns[$0] }, rows: input.rows))
        }
    }
}
