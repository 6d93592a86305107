// Which files of a snapshot a scan reads, and which deletes apply to each (specification, "Scan Planning").

import Catalogs
import Columns
import Diagnostics
import Storage

/// A partition of a spec: deletes apply to the data files of the same one.
struct PartitionKey: Hashable, Sendable {
    let specID: Int32
    /// Without their types: a column may have become wider between two files.
    let values: [Scalar.Value]

    init(_ file: DataFile) {
        specID = file.specID
        values = file.partition.map(\.value)
    }
}

/// A data file to read, with what removes rows from it.
struct PlannedFile: Sendable {
    let file: DataFile
    let sequenceNumber: Int64
    var positionDeletes: [DataFile] = []
    var equalityDeletes: [DataFile] = []
    var deletionVector: DataFile?

    var hasDeletes: Bool { deletionVector != nil || !positionDeletes.isEmpty || !equalityDeletes.isEmpty }

    /// Rows that go by the vector, or by deletes of this file alone.
    var ownDeletedRows: Int64 {
        if let vector = deletionVector { return vector.rows }
        return positionDeletes.reduce(0) { $1.onlyDataFile == nil ? $0 : $0 &+ $1.rows }
    }
}

/// Prunes manifests and files by what must hold.
struct FilePlanner: Sendable {
    let metadata: TableMetadata
    let cache: ManifestCache
    let store: any ObjectStore
    let metrics: StoreMetrics
    /// What must hold, by field id.
    let domains: [Int32: ColumnDomain]

    private static let manifestsAtOnce = 16
    /// Files of one scan.
    private static let filesMax = 4_000_000

    struct Found: Sendable {
        var files: [PlannedFile] = []
        var considered = 0
        var prunedByPartition = 0
        var prunedByStatistics = 0
    }

    /// A condition on one field of a partition tuple.
    private struct TupleCondition: Sendable {
        let index: Int
        let type: IcebergType
        let domain: ColumnDomain
    }

    private struct Part: Sendable {
        var entries: [ManifestEntry] = []
        var prunedByPartition = 0
        var prunedByStatistics = 0
    }

    /// The files of a snapshot that may hold matches.
    func plan(_ snapshot: Snapshot) async throws(SQLError) -> Found {
        let manifests = try await cache.manifests(snapshot, of: metadata, in: store, metrics: metrics)
        var conditions: [Int32: [TupleCondition]] = [:]
        for spec in metadata.specs.values { conditions[spec.id] = self.conditions(spec) }
        var found = Found()
        var wanted: [ManifestFile] = []
        for manifest in manifests where manifest.mayBeLive {
            if mayMatch(manifest, conditions[manifest.specID] ?? []) {
                wanted.append(manifest)
            } else if !manifest.isDeletes {
                found.prunedByPartition += manifest.liveFiles ?? 1
            }
        }
        let parts = try await inParallel(wanted, atOnce: FilePlanner.manifestsAtOnce) {
            [conditions] (manifest) throws(SQLError) -> Part in
            try await read(manifest, conditions[manifest.specID] ?? [])
        }
        var data: [ManifestEntry] = []
        var deletes = DeleteIndex()
        for (manifest, part) in zip(wanted, parts) {
            if manifest.isDeletes {
                for entry in part.entries { deletes.add(entry, metadata) }
            } else {
                data += part.entries
                found.prunedByPartition += part.prunedByPartition
                found.prunedByStatistics += part.prunedByStatistics
            }
            guard data.count <= FilePlanner.filesMax else {
                throw SQLError(.programLimitExceeded, "a scan has more than \(FilePlanner.filesMax) files")
            }
        }
        // The newest manifest comes first. Rows are read in the order in which they came, as in PostgreSQL, as far as
        // one worker reads them.
        let order = data.indices.sorted { (data[$0].sequenceNumber, $0) < (data[$1].sequenceNumber, $1) }
        found.files = order.map { deletes.apply(to: data[$0]) }
        found.considered = found.files.count + found.prunedByPartition + found.prunedByStatistics
        return found
    }

    private func read(_ manifest: ManifestFile, _ conditions: [TupleCondition]) async throws(SQLError) -> Part {
        var part = Part()
        try await cache.forEach(manifest, of: metadata, in: store, metrics: metrics) { (entry) throws(Malformed) in
            guard entry.isLive else { return }
            if !conditions.allSatisfy({ mayMatch(entry.file.partition, $0) }) {
                part.prunedByPartition += 1
            } else if entry.file.content == .data, !mayMatch(entry.file) {
                part.prunedByStatistics += 1
            } else {
                part.entries.append(entry)
            }
        }
        return part
    }

    private func conditions(_ spec: PartitionSpec) -> [TupleCondition] {
        var result: [TupleCondition] = []
        for (index, field) in spec.fields.enumerated() {
            guard let domain = domains[field.sourceID], let source = metadata.field(field.sourceID)?.type,
                let projected = field.transform.project(domain, source), !projected.isAll
            else { continue }
            result.append(TupleCondition(index: index, type: field.transform.result(of: source), domain: projected))
        }
        return result
    }

    private func mayMatch(_ manifest: ManifestFile, _ conditions: [TupleCondition]) -> Bool {
        guard let summaries = manifest.partitions else { return true }
        for condition in conditions where condition.index < summaries.count {
            let summary = summaries[condition.index]
            let isMatch = condition.domain.mayMatch(
                min: summary.lower.flatMap { SingleValue.decode($0, condition.type) },
                max: summary.upper.flatMap { SingleValue.decode($0, condition.type) },
                nullCount: summary.containsNull ? nil : 0, rows: Int64.max,
                mayHaveNaN: condition.type.sqlType.isFloat && summary.containsNaN != false)
            if !isMatch { return false }
        }
        return true
    }

    private func mayMatch(_ tuple: [Scalar], _ condition: TupleCondition) -> Bool {
        condition.index >= tuple.count || condition.domain.mayMatch(tuple[condition.index])
    }

    /// Whether the bounds and counts of a file allow a match.
    private func mayMatch(_ file: DataFile) -> Bool { FilePlanner.mayMatch(file, domains, metadata) }

    static func mayMatch(_ file: DataFile, _ domains: [Int32: ColumnDomain], _ metadata: TableMetadata) -> Bool {
        for (id, domain) in domains {
            guard let type = metadata.field(id)?.type else { continue }
            let facts = file.facts
            let isMatch = domain.mayMatch(
                min: facts.lowerBounds?[id].flatMap { SingleValue.decode($0, type) },
                max: facts.upperBounds?[id].flatMap { SingleValue.decode($0, type) },
                nullCount: facts.nullCounts?[id], rows: file.rows,
                mayHaveNaN: type.sqlType.isFloat && facts.nanCounts?[id] != 0)
            if !isMatch { return false }
        }
        return true
    }
}

/// Finds the deletes of data files.
struct DeleteIndex {
    private typealias Placed = (file: DataFile, sequence: Int64)

    private var vectors: [String: (file: DataFile, sequence: Int64)] = [:]
    private var byPath: [String: [(file: DataFile, sequence: Int64)]] = [:]
    private var byPartition: [PartitionKey: [(file: DataFile, sequence: Int64)]] = [:]
    private var equality: [PartitionKey: [(file: DataFile, sequence: Int64)]] = [:]
    private var everywhere: [(file: DataFile, sequence: Int64)] = []

    mutating func add(_ entry: ManifestEntry, _ metadata: TableMetadata) {
        let placed = (entry.file, entry.sequenceNumber)
        let key = PartitionKey(entry.file)
        switch entry.file.content {
        case .data: break
        case .equalityDeletes:
            if metadata.specs[entry.file.specID]?.isPartitioned ?? false {
                equality[key, default: []].append(placed)
            } else {
                everywhere.append(placed)
            }
        case .positionDeletes:
            if entry.file.isDeletionVector, let path = entry.file.facts.referencedDataFile {
                if vectors[path].map({ $0.sequence <= entry.sequenceNumber }) ?? true { vectors[path] = placed }
            } else if let path = entry.file.onlyDataFile {
                byPath[path, default: []].append(placed)
            } else {
                byPartition[key, default: []].append(placed)
            }
        }
    }

    func apply(to entry: ManifestEntry) -> PlannedFile {
        let file = entry.file
        let sequence = entry.sequenceNumber
        var planned = PlannedFile(file: file, sequenceNumber: sequence)
        let key = PartitionKey(file)
        if let vector = vectors[file.path], sequence <= vector.sequence {
            planned.deletionVector = vector.file
        } else {
            let found = (byPath[file.path] ?? []) + (byPartition[key] ?? [])
            planned.positionDeletes = found.filter { sequence <= $0.sequence }.map(\.file)
        }
        let found = (equality[key] ?? []) + everywhere
        planned.equalityDeletes = found.filter { sequence < $0.sequence }.map(\.file)
        return planned
    }
}
