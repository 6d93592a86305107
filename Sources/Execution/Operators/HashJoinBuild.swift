// The sink of a hash join's right side: keeps its rows, then makes the table and the runtime filters.
import Columns
import Diagnostics
import Planner
import Synchronization

/// Collects the right side of an equality join. The probe, and the unmatched rows of right and full joins, read it.
final class HashJoinBuild: SinkStage {
    let shape: JoinShape
    /// Keys of the table; in a mark join with exact keys, only those (see ``JoinTable``).
    let tableKeys: [Int]
    /// Rows that found a match, for right and full joins.
    let matched = MatchedRows()
    private let makesFilters: Bool
    private let account: MemoryAccount
    private let state = Mutex(State())

    private struct State {
        var stores: [RowStore] = []
        var table: JoinTable?
        var filters: [RuntimeFilter] = []
    }

    init(_ shape: JoinShape, makesFilters: Bool = false, account: MemoryAccount) {
        self.shape = shape
        self.makesFilters = makesFilters
        self.account = account
        let exact = shape.keys.indices.filter { shape.keys[$0].nullsEqual }
        // Three-valued keys of a mark join are compared pair by pair where exact keys narrow the pairs down.
        let isSplit = shape.kind == .mark && !exact.isEmpty && exact.count < shape.keys.count
        tableKeys = isSplit ? exact : Array(shape.keys.indices)
    }

    /// Types of what is kept: payload, then the keys that are no plain kept columns.
    private var layout: (types: [SQLType], keyAt: [Int], computed: [Expr]) {
        let kept = shape.kept
        var types = kept.map(\.type)
        var keyAt: [Int] = []
        var computed: [Expr] = []
        for key in shape.keys {
            if case .column(let column) = key.right, let index = kept.firstIndex(where: { $0.id == column.id }) {
                keyAt.append(index)
            } else {
                keyAt.append(types.count)
                types.append(key.right.type)
                computed.append(key.right)
            }
        }
        return (types, keyAt, computed)
    }

    func worker(_ run: QueryRun) throws(SQLError) -> any Sink {
        let layout = layout
        let source = ColumnLayout(shape.right)
        var indexes: [Int] = []
        for column in shape.kept { indexes.append(try source.index(of: column)) }
        return Worker(
            self, payload: indexes, keys: try compile(layout.computed, source, run),
            store: RowStore(types: layout.types, account: account), run)
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
        let allKeys = layout.keyAt.map { rows.columns[$0] }
        let needsAll =
            !shape.isExistence || shape.isTurned || !shape.residual.isEmpty || tableKeys.count < shape.keys.count
        let table = try JoinTable(
            rows.columns, keys: allKeys, tableKeys: tableKeys, rows: rows.rows,
            nullsEqual: shape.keys.map(\.nullsEqual), keepsDuplicates: needsAll,
            collectsNulls: shape.kind == .mark, run: run, account: account)
        var filters: [RuntimeFilter] = []
        if makesFilters { for key in allKeys { filters.append(RuntimeFilter(key)) } }
        state.withLock { state in
            state.table = table
            state.filters = filters
        }
    }

    /// The table, once finished.
    func table() throws(SQLError) -> JoinTable {
        guard let table = state.withLock({ $0.table }) else {
            throw SQLError(.internalError, "a join is probed before its table is made")
        }
        return table
    }

    /// The filter of a key, once finished; nil before, or when none was asked for.
    func filter(key: Int) -> RuntimeFilter? {
        state.withLock { $0.filters.indices.contains(key) ? $0.filters[key] : nil }
    }

    /// Facts for EXPLAIN ANALYZE.
    var details: [(name: String, value: String)] {
        guard let table = state.withLock({ $0.table }) else { return [] }
        return [("Build", "\(table.rows) rows, \(table.formName)")]
    }

    /// One worker's rows.
    private final class Worker: Sink {
        private let stage: HashJoinBuild
        private let payload: [Int]
        private let keys: [any Evaluator]
        private let store: RowStore
        private let run: QueryRun

        init(
            _ stage: HashJoinBuild, payload: [Int], keys: [any Evaluator], store: RowStore, _ run: QueryRun
        ) {
            self.stage = stage
            self.payload = payload
            self.keys = keys
            self.store = store
            self.run = run
        }

        func push(_ batch: Batch) throws(SQLError) -> Bool {
            try run.check()
            var columns = payload.map { batch.columns[$0] }
            for key in keys { columns.append(try key.evaluate(batch)) }
            try store.append(columns, rows: batch.rows)
            return true
        }

        func combine() throws(SQLError) { stage.state.withLock { $0.stores.append(store) } }
    }
}
