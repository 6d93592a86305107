// A relation of the system catalog as a table that plans scan. Rows are made when the scan begins, and only those that
// the filter's equalities leave.
import Access
public import Catalogs
public import Columns
public import Diagnostics

/// A virtual table.
public struct SystemTable: Table {
    public let name: String
    public let schema: Schema
    private let relation: CatalogData.SystemRelation
    private let state: SystemState

    /// Finds a relation by its name in pg_catalog or information_schema; nil when there is none.
    public init?(schema: String, name: String, state: SystemState) {
        guard let relation = CatalogData.relation(schema, name) else { return nil }
        self.relation = relation
        self.name = "\(schema).\(name)"
        self.schema = Schema(relation.fields)
        self.state = state
    }

    /// The schemas whose relations are virtual.
    public static let schemas: Set<String> = [CatalogData.catalogSchema, CatalogData.informationSchema]

    /// Whether a schema of the system catalog has a relation.
    public static func isRelation(_ schema: String, _ name: String) -> Bool {
        CatalogData.relation(schema, name) != nil
    }

    /// Relations of PostgreSQL's catalog are small beside tables of rows.
    public var statistics: TableStatistics { TableStatistics(rows: SystemTable.rowsExpected[relation.name] ?? 100) }

    private static let rowsExpected: [String: Double] = [
        "pg_class": 1_000, "pg_attribute": 10_000, "columns": 10_000, "tables": 1_000, "pg_type": 100,
        "pg_proc": 1_000, "pg_constraint": 10, "pg_index": 10, "pg_namespace": 10, "pg_description": 100,
    ]

    public func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        guard let rows = RelationRows.all[name] else { return ScanPlan(tasks: []) }
        var domains: [String: ColumnDomain] = [:]
        for (index, domain) in request.domains where index < relation.fields.count {
            domains[relation.fields[index].name] = domain
        }
        let wanted = request.columns.map { relation.fields[$0] }
        // What information_schema shows depends on rights.
        let showsAll = try state.showsAll()
        let isForAll = relation.schema != CatalogData.informationSchema || showsAll
        // Rights change without a commit: what tells of them is not remembered.
        let isOpen = try state.source().access.isOpen
        let asksRights = !isOpen && wanted.contains { $0.name == "attacl" }
        if isForAll, !asksRights, DirectoryMemo.relations.contains(name),
            DirectoryMemo.keys.isDisjoint(with: domains.keys)
        {
            return try await remembered(rows, wanted)
        }
        let set = try await rows.build(state, Keys(domains, wanted: Set(wanted.map(\.name))))
        let kept = filtered(set, domains)
        var tasks: [any ScanTask] = []
        var start = 0
        while start < kept.count {
            let part = kept[start..<min(kept.count, start + SystemTable.rowsPerTask)]
            tasks.append(SystemTask(set: set, places: Array(part), fields: wanted))
            start += SystemTable.rowsPerTask
        }
        return ScanPlan(tasks: tasks)
    }

    /// The whole relation from the directory's memory.
    private func remembered(_ rows: RelationRows, _ wanted: [Field]) async throws(SQLError) -> ScanPlan {
        let directory = try await state.directory()
        try await state.refresh(directory)
        let memo = directory.memo
        let set: RowSet
        if let known = memo.rows(name) {
            set = known
        } else {
            set = try await rows.build(state, Keys([:], wanted: []))
            if state.knowsAll(of: directory) { memo.keep(set, of: name) }
        }
        guard memo.rows(name) != nil else {
            return ScanPlan(tasks: [SystemTask(set: set, places: Array(0..<set.count), fields: wanted)])
        }
        let columns = wanted.map { memo.column($0, of: name, in: set) }
        var tasks: [any ScanTask] = []
        var start = 0
        while start < set.count {
            let end = min(set.count, start + SystemTable.rowsPerTask)
            var batches: [Batch] = []
            for piece in start / Batch.rowsMax..<(end + Batch.rowsMax - 1) / Batch.rowsMax {
                let first = piece * Batch.rowsMax
                batches.append(Batch(columns.map { $0[piece] }, rows: min(end, first + Batch.rowsMax) - first))
            }
            tasks.append(RememberedTask(batches: batches))
            start = end
        }
        return ScanPlan(tasks: tasks)
    }

    /// Rows of one task: some batches.
    private static let rowsPerTask = Batch.rowsMax * 8

    /// The rows that may pass the domains.
    private func filtered(_ set: RowSet, _ domains: [String: ColumnDomain]) -> [Int] {
        var kept = Array(0..<set.count)
        for (name, domain) in domains {
            guard let value = set.values[name], let field = relation.fields.first(where: { $0.name == name }) else {
                continue
            }
            kept = kept.filter { domain.mayMatch(Scalar(field.type, value($0))) }
        }
        return kept
    }
}

/// Some rows of a relation.
private struct SystemTask: ScanTask {
    let set: RowSet
    let places: [Int]
    let fields: [Field]
    var bytes: Int64 { Int64(places.count * 64) }
    var rows: Int64? { Int64(places.count) }
    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource { SystemSource(self, context) }
}

private final class SystemSource: BatchSource {
    private let task: SystemTask
    private let context: ScanContext
    private var start = 0

    init(_ task: SystemTask, _ context: ScanContext) {
        self.task = task
        self.context = context
    }

    func next() throws(SQLError) -> Batch? {
        guard start < task.places.count else { return nil }
        let part = task.places[start..<min(task.places.count, start + Batch.rowsMax)]
        start += part.count
        let batch = Batch(
            task.fields.map { SystemColumns.column($0, task.set, part) }, rows: part.count)
        return try batch.passing(context.filter)
    }
}

/// Batches that are there already.
private struct RememberedTask: ScanTask {
    let batches: [Batch]
    var bytes: Int64 { rows.map { $0 * 64 } ?? 0 }
    var rows: Int64? { Int64(batches.reduce(0) { $0 + $1.rows }) }
    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource { RememberedSource(batches, context) }
}

private final class RememberedSource: BatchSource {
    private let batches: [Batch]
    private let context: ScanContext
    private var index = 0

    init(_ batches: [Batch], _ context: ScanContext) {
        self.batches = batches
        self.context = context
    }

    func next() throws(SQLError) -> Batch? {
        guard index < batches.count else { return nil }
        index += 1
        return try batches[index - 1].passing(context.filter)
    }
}

extension Batch {
    /// The rows that a scan's filter lets pass.
    fileprivate func passing(_ filter: (any BatchFilter)?) throws(SQLError) -> Batch {
        guard let filter else { return self }
        var batch = self
        for stage in filter.stages.indices where batch.rows > 0 {
            if let selection = try filter.select(stage: stage, batch.columns, rows: batch.rows) {
                batch = batch.take(selection.rows, count: selection.count)
            }
        }
        return batch
    }
}
