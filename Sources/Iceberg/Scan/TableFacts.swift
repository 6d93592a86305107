// What a snapshot's manifests tell about the table, for the optimizer.

import Catalogs
import Columns
import Diagnostics
import Storage

/// Statistics of a table from its metadata.
struct TableFacts: Sendable {
    let metadata: TableMetadata
    let columns: IcebergSchema
    let cache: ManifestCache
    let store: any ObjectStore

    /// Files whose bounds are looked at to open a table.
    private static let filesMax = 2_000
    /// Bytes of manifests that are read to open a table.
    private static let manifestBytesMax: Int64 = 4 << 20

    func statistics(_ snapshot: Snapshot?) async throws(SQLError) -> TableStatistics {
        guard let snapshot else { return TableStatistics(rows: 0, isExact: true, sizeBytes: 0) }
        let live = try await cache.manifests(snapshot, of: metadata, in: store).filter(\.mayBeLive)
        let deletes = live.filter(\.isDeletes)
        let data = live.filter { !$0.isDeletes }
        var rows: Int64 = 0
        var files = 0
        var isKnown = true
        for manifest in live {
            guard let count = manifest.liveRows, let number = manifest.liveFiles else {
                isKnown = false
                continue
            }
            if !manifest.isDeletes { rows &+= count }
            files += number
        }
        let total = live.reduce(0) { $0 &+ $1.sizeBytes }
        guard files <= TableFacts.filesMax, total <= TableFacts.manifestBytesMax else {
            let removed = snapshot.summary["total-position-deletes"].flatMap { Double($0) } ?? 0
            let left = Double(rows) - (deletes.isEmpty ? 0 : removed)
            return TableStatistics(
                rows: isKnown ? TableFacts.estimate(left, of: rows) : nil, isExact: false,
                sizeBytes: snapshot.summary["total-files-size"].flatMap { Int64($0) })
        }
        return try await statistics(data, deletes)
    }

    /// An estimate is not zero where there may be rows.
    private static func estimate(_ left: Double, of rows: Int64) -> Double { rows > 0 ? max(1, left) : 0 }

    /// From all that the manifests tell. Exact without deletes; deletion vectors and deletes of single data files leave
    /// the count of rows right as well, as long as no two files name the same row.
    private func statistics(
        _ data: [ManifestFile], _ deletes: [ManifestFile]
    ) async throws(SQLError) -> TableStatistics {
        var index = DeleteIndex()
        for manifest in deletes {
            try await cache.forEach(manifest, of: metadata, in: store) { (entry) throws(Malformed) in
                if entry.isLive { index.add(entry, metadata) }
            }
        }
        var rows: Int64 = 0
        var bytes: Int64 = 0
        var removed: Int64 = 0
        // Deletes that are about several files count once.
        var shared: [String: Int64] = [:]
        var bounds = columns.fields.map { _ in Bounds() }
        for manifest in data {
            try await cache.forEach(manifest, of: metadata, in: store) { (entry) throws(Malformed) in
                guard entry.isLive, entry.file.content == .data else { return }
                rows &+= entry.file.rows
                bytes &+= entry.file.sizeBytes
                if !deletes.isEmpty {
                    let planned = index.apply(to: entry)
                    removed &+= min(entry.file.rows, planned.ownDeletedRows)
                    for file in planned.positionDeletes where file.onlyDataFile == nil { shared[file.path] = file.rows }
                    for file in planned.equalityDeletes { shared[file.path] = file.rows }
                }
                for (index, field) in columns.fields.enumerated() where field.sqlType != .unknown {
                    bounds[index].add(entry.file, field)
                }
            }
        }
        let left = rows &- removed
        let estimate = shared.isEmpty ? Double(left) : Double(left) - Double(shared.values.reduce(0, &+))
        var statistics = TableStatistics(
            rows: shared.isEmpty ? max(0, estimate) : TableFacts.estimate(estimate, of: rows),
            isExact: deletes.isEmpty, sizeBytes: bytes)
        for (index, bound) in bounds.enumerated() where columns.fields[index].sqlType != .unknown {
            statistics.columns[index] = bound.facts
        }
        return statistics
    }

    /// Merges the bounds of files; what one file does not tell is unknown for all.
    private struct Bounds {
        private var min: Scalar?
        private var max: Scalar?
        private var nullCount: Int64? = 0
        private var isMinKnown = true
        private var isMaxKnown = true

        mutating func add(_ file: DataFile, _ field: IcebergField) {
            guard file.rows > 0 else { return }
            let nulls = file.facts.nullCounts?[field.id]
            if let sum = nullCount, let nulls { nullCount = sum &+ nulls } else { nullCount = nil }
            // Only NULLs: no bounds, and none needed.
            if let nulls, nulls >= file.rows { return }
            let mayHaveNaN = field.type.sqlType.isFloat && file.facts.nanCounts?[field.id] != 0
            if let low = bound(file.facts.lowerBounds?[field.id], field) {
                if let old = min { min = (Scalar.compare(low, old) ?? 0) < 0 ? low : old } else { min = low }
            } else {
                isMinKnown = false
            }
            if !mayHaveNaN, let high = bound(file.facts.upperBounds?[field.id], field) {
                if let old = max { max = (Scalar.compare(high, old) ?? 0) > 0 ? high : old } else { max = high }
            } else {
                isMaxKnown = false
            }
        }

        private func bound(_ bytes: [UInt8]?, _ field: IcebergField) -> Scalar? {
            guard let bytes, let value = SingleValue.decode(bytes, field.type) else { return nil }
            return Scalar(field.sqlType, value.value)
        }

        var facts: ColumnFacts {
            ColumnFacts(min: isMinKnown ? min : nil, max: isMaxKnown ? max : nil, nullCount: nullCount)
        }
    }
}
