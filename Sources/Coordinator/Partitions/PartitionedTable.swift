// A table with PARTITION BY as one table: scans are those of its partitions, one behind the other; rows that are
// written go to the partition that takes them. The planner sees a table like any other.
import Catalogs
import Columns
import Diagnostics
import Syntax

/// A partition that has rows: no partitions of its own.
struct PartitionLeaf: Sendable {
    var name: TableName
    var table: any WritableTable
    /// What its rows satisfy, on all levels.
    var condition: String
    /// By column of the parent: the leaf's.
    var columns: [Int]
    /// What `tableoid` says.
    var oid: Int64
}

/// A partitioned table in one state of itself and its partitions.
final class PartitionedTable: WritableTable {
    let base: any WritableTable
    let leaves: [PartitionLeaf]
    let properties: [String: String]
    let rowRouting: String?
    let statistics: TableStatistics

    var name: String { base.name }
    var schema: Schema { base.schema }
    var definition: ManagedDefinition { base.definition }
    var readsFields: Bool { base.readsFields && leaves.allSatisfy { $0.table.readsFields } }

    /// The base's own, the places of rows among them, and the table that a row is in.
    var hiddenColumns: [Field] { places + [Field("tableoid", .system(.oid), isNullable: false)] }
    /// A format may take places of rows without showing them.
    private var places: [Field] {
        base.hiddenColumns.count < RowPlace.hiddenColumns.count ? RowPlace.hiddenColumns : base.hiddenColumns
    }
    /// A row that changes its partition is a new row there.
    var movedColumns: [Field] { [] }

    init(_ base: any WritableTable, _ leaves: [PartitionLeaf], routing: String) {
        self.base = base
        self.leaves = leaves
        rowRouting = routing
        properties = PartitionedTable.properties(base, leaves)
        statistics = PartitionedTable.statistics(base, leaves)
    }

    /// The base's properties, with the checks that only some partitions have: they bind the rows of these.
    private static func properties(_ base: any WritableTable, _ leaves: [PartitionLeaf]) -> [String: String] {
        var properties = base.properties
        let known = TableCheck.all(of: properties)
        var number = known.count
        for leaf in leaves {
            for check in TableCheck.all(of: leaf.table.properties) where !known.contains(check) {
                number += 1
                let own = TableCheck(name: check.name, text: "NOT \(leaf.condition) OR (\(check.text))")
                properties[TableProperty.check(number)] = own.property
            }
        }
        return properties
    }

    private static func statistics(_ base: any WritableTable, _ leaves: [PartitionLeaf]) -> TableStatistics {
        var total = TableStatistics(rows: 0, isExact: true, sizeBytes: 0)
        for leaf in leaves {
            let one = leaf.table.statistics
            total.isExact = total.isExact && one.isExact
            total.rows = total.rows.flatMap { rows in one.rows.map { rows + $0 } }
            total.sizeBytes = total.sizeBytes.flatMap { bytes in one.sizeBytes.map { bytes + $0 } }
        }
        // Facts of columns are known of all partitions or of none.
        let filled = leaves.filter { $0.table.statistics.rows != 0 || !$0.table.statistics.isExact }
        for column in base.schema.fields.indices {
            var merged: ColumnFacts?
            for (index, leaf) in filled.enumerated() {
                guard let facts = leaf.table.statistics.columns[leaf.columns[column]] else {
                    merged = nil
                    break
                }
                guard index > 0 else {
                    merged = facts
                    merged?.distinct = nil
                    continue
                }
                merged = merged.map { $0.united(facts) }
            }
            total.columns[column] = merged
        }
        // Bounds that are missing in one partition are not exact for all.
        if filled.count > 1 { total.isExact = total.isExact && total.columns.values.allSatisfy(\.isWhole) }
        return total
    }

    // MARK: - Scan

    /// Rows of one file, in bits: above them is the number of the partition.
    static let positionBits: Int64 = 40

    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan {
        var plan = ScanPlan(tasks: [])
        let shown = schema.fields.count
        let number = shown + places.count
        let wantsNumber = request.columns.contains(number)
        let wantsPlace = request.columns.contains(shown + 1)
        for (index, leaf) in leaves.enumerated() {
            if let domain = request.domains[number], !domain.mayMatch(Scalar(.int8, .int(leaf.oid))) { continue }
            func inner(_ column: Int) -> Int {
                column < shown ? leaf.columns[column] : leaf.table.schema.fields.count + column - shown
            }
            var own = request
            own.columns = request.columns.map { inner($0 == number ? shown + 1 : $0) }
            own.domains = [:]
            for (column, domain) in request.domains where column != number { own.domains[inner(column)] = domain }
            if wantsNumber || wantsPlace { own.mayPass = nil }
            let part = try await leaf.table.scan(own)
            plan.report.add(part.report)
            guard wantsNumber || wantsPlace else {
                plan.tasks += part.tasks
                continue
            }
            let columns = request.columns
            plan.tasks += part.tasks.map { task in
                LeafTask(
                    task: task, offset: Int64(index) << PartitionedTable.positionBits, oid: leaf.oid,
                    places: columns.indices.filter { columns[$0] == shown + 1 },
                    numbers: columns.indices.filter { columns[$0] == number })
            }
        }
        return plan
    }

    func write(_ kind: WriteKind) -> any TableWrite {
        PartitionedWrite(leaves, kind, width: schema.fields.count, table: name)
    }
}

extension ColumnFacts {
    fileprivate var isWhole: Bool { min != nil && max != nil && nullCount != nil }

    fileprivate func united(_ other: ColumnFacts) -> ColumnFacts {
        var facts = ColumnFacts()
        if let a = min, let b = other.min, let order = Scalar.compare(a, b) { facts.min = order <= 0 ? a : b }
        if let a = max, let b = other.max, let order = Scalar.compare(a, b) { facts.max = order >= 0 ? a : b }
        if let a = nullCount, let b = other.nullCount { facts.nullCount = a + b }
        return facts
    }
}

extension ScanReport {
    fileprivate mutating func add(_ other: ScanReport) {
        filesConsidered += other.filesConsidered
        filesPrunedByPartition += other.filesPrunedByPartition
        filesPrunedByStatistics += other.filesPrunedByStatistics
        rowGroupsPruned += other.rowGroupsPruned
        requests += other.requests
        listRequests += other.listRequests
        bytesRead += other.bytesRead
    }
}

/// A task of a partition whose rows say where they are.
private struct LeafTask: ScanTask {
    let task: any ScanTask
    let offset: Int64
    let oid: Int64
    /// Output columns that are positions, and those that are the table's number.
    let places: [Int]
    let numbers: [Int]

    var bytes: Int64 { task.bytes }
    var rows: Int64? { task.rows }

    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource {
        var inner = context
        // Conditions see the columns as they leave here.
        inner.filter = nil
        if let domains = context.dynamicDomains {
            let own = Set(places + numbers)
            inner.dynamicDomains = { domains().filter { !own.contains($0.key) } }
        }
        return LeafSource(try task.open(inner), self, context.filter)
    }
}

private final class LeafSource: BatchSource {
    private let source: any BatchSource
    private let task: LeafTask
    private let filter: (any BatchFilter)?

    init(_ source: any BatchSource, _ task: LeafTask, _ filter: (any BatchFilter)?) {
        self.source = source
        self.task = task
        self.filter = filter
    }

    func next() throws(SQLError) -> Batch? {
        guard let found = try source.next() else { return nil }
        var columns = found.columns
        for index in task.places { columns[index] = placed(columns[index], found.rows) }
        for index in task.numbers {
            columns[index] = Column.constant(Scalar(.system(.oid), .int(task.oid)), count: found.rows)
        }
        var batch = Batch(columns, rows: found.rows)
        guard let filter else { return batch }
        for stage in filter.stages.indices where batch.rows > 0 {
            if let selection = try filter.select(stage: stage, batch.columns, rows: batch.rows) {
                batch = batch.take(selection.rows, count: selection.count)
            }
        }
        return batch
    }

    private func placed(_ column: Column, _ rows: Int) -> Column {
        guard task.offset != 0 else { return column }
        let flat = Flatten.flat(column)
        let from = flat.pointer(Int64.self)
        let values = Buffer(count: rows, of: Int64.self)
        let out = values.pointer(Int64.self)
        for row in 0..<rows { out[row] = from[row] &+ task.offset }
        withExtendedLifetime(flat) {}
        return Column(.int8, count: rows, values: values, validity: nil)
    }
}
