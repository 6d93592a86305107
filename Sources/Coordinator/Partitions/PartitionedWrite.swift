// A write to a partitioned table: one write a partition, begun when its first row comes.
import Catalogs
import Columns
import Diagnostics
import Synchronization

/// The writes of the partitions that a statement touches. It is not committed itself: its parts are, each as a change
/// of its own table.
final class PartitionedWrite: TableWrite {
    struct Part: Sendable {
        var leaf: PartitionLeaf
        var write: any TableWrite
    }

    let parts: [Part]
    fileprivate let width: Int
    fileprivate let table: String
    private let touchesAll: Bool
    private let touched = Mutex<Set<Int>>([])

    init(_ leaves: [PartitionLeaf], _ kind: WriteKind, width: Int, table: String) {
        parts = leaves.map { Part(leaf: $0, write: $0.table.write(kind)) }
        touchesAll = kind == .replaceAll
        self.width = width
        self.table = table
    }

    /// The parts that have something to commit.
    var changed: [Part] {
        guard !touchesAll else { return parts }
        let numbers = touched.withLock { $0 }
        return parts.indices.filter { numbers.contains($0) }.map { parts[$0] }
    }

    func sink() throws(SQLError) -> any RowSink { PartitionedSink(self) }

    fileprivate func begin(_ index: Int) throws(SQLError) -> any RowSink {
        _ = touched.withLock { $0.insert(index) }
        return try parts[index].write.sink()
    }

    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        throw SQLError(.internalError, "a write to partitions is committed by its parts")
    }

    func abandon() async {
        for part in parts { await part.write.abandon() }
    }
}

/// One worker's end: rows go on by the number that the plan gave them.
private final class PartitionedSink: RowSink {
    private let write: PartitionedWrite
    private var sinks: [Int: any RowSink] = [:]
    /// Rows of a batch by partition; lists are used again.
    private var rows: [Int: [Int32]] = [:]

    init(_ write: PartitionedWrite) { self.write = write }

    func append(_ batch: Batch) throws(SQLError) {
        guard let route = batch.columns.last else { return }
        let flat = Flatten.flat(route)
        let numbers = flat.pointer(Int32.self)
        for key in rows.keys { rows[key]?.removeAll(keepingCapacity: true) }
        for row in 0..<batch.rows {
            guard flat.isValid(row), write.parts.indices.contains(Int(numbers[row])) else {
                throw SQLError(
                    SQLState("23514"), "no partition of relation \"\(write.table)\" found for row")
            }
            rows[Int(numbers[row]), default: []].append(Int32(truncatingIfNeeded: row))
        }
        withExtendedLifetime(flat) {}
        let whole = Batch(Array(batch.columns.prefix(write.width)), rows: batch.rows)
        for (index, list) in rows.sorted(by: { $0.key < $1.key }) where !list.isEmpty {
            let part = list.count == batch.rows ? whole : Self.taken(whole, list)
            try sink(index).append(arranged(part, write.parts[index].leaf))
        }
    }

    func remove(_ places: Batch) throws(SQLError) {
        let flat = Flatten.flat(places.columns[1])
        let positions = flat.pointer(Int64.self)
        for key in rows.keys { rows[key]?.removeAll(keepingCapacity: true) }
        let mask = (Int64(1) << PartitionedTable.positionBits) - 1
        let values = Buffer(count: places.rows, of: Int64.self)
        let own = values.pointer(Int64.self)
        for row in 0..<places.rows {
            own[row] = positions[row] & mask
            rows[Int(positions[row] >> PartitionedTable.positionBits), default: []]
                .append(Int32(truncatingIfNeeded: row))
        }
        withExtendedLifetime(flat) {}
        let whole = Batch(
            [places.columns[0], Column(.int8, count: places.rows, values: values, validity: nil)],
            rows: places.rows)
        for (index, list) in rows.sorted(by: { $0.key < $1.key }) where !list.isEmpty {
            try sink(index).remove(list.count == places.rows ? whole : Self.taken(whole, list))
        }
    }

    func finish() throws(SQLError) {
        for sink in sinks.values { try sink.finish() }
        sinks = [:]
    }

    private func sink(_ index: Int) throws(SQLError) -> any RowSink {
        if let known = sinks[index] { return known }
        let made = try write.begin(index)
        sinks[index] = made
        return made
    }

    private static func taken(_ batch: Batch, _ rows: [Int32]) -> Batch {
        rows.withUnsafeBufferPointer { list in
            list.baseAddress.map { batch.take($0, count: list.count) } ?? batch
        }
    }

    /// The columns in the order of the partition.
    private func arranged(_ batch: Batch, _ leaf: PartitionLeaf) -> Batch {
        guard leaf.columns != Array(leaf.columns.indices) else { return batch }
        var columns = batch.columns
        for (own, place) in leaf.columns.enumerated() { columns[place] = batch.columns[own] }
        return Batch(columns, rows: batch.rows)
    }
}

/// A partition that is written by itself: its rows obey its bound.
struct BoundedPartition: WritableTable {
    let base: any WritableTable
    let properties: [String: String]

    init(_ base: any WritableTable, constraint: String) {
        self.base = base
        properties = base.properties.merging([TableProperty.partitionConstraint: constraint]) { $1 }
    }

    var name: String { base.name }
    var schema: Schema { base.schema }
    var hiddenColumns: [Field] { base.hiddenColumns }
    var statistics: TableStatistics { base.statistics }
    var readsFields: Bool { base.readsFields }
    var definition: ManagedDefinition { base.definition }
    var movedColumns: [Field] { base.movedColumns }
    var rowRouting: String? { base.rowRouting }
    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan { try await base.scan(request) }
    func write(_ kind: WriteKind) -> any TableWrite { base.write(kind) }
}
