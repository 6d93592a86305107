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
        let manifests = try await cache.manifests(snapshot, of: metadata, in: store)
        let live = manifests.filter(\.mayBeLive)
        let hasDeletes = live.contains(where: \.isDeletes)
        let data = live.filter { !$0.isDeletes }
        var rows: Int64 = 0
        var files = 0
        var isKnown = true
        for manifest in data {
            guard let count = manifest.liveRows, let number = manifest.liveFiles else {
                isKnown = false
                continue
            }
            rows &+= count
            files += number
        }
        let removed = (snapshot.summary["total-position-deletes"].flatMap { Double($0) } ?? 0)
        let bytes = snapshot.summary["total-files-size"].flatMap { Int64($0) }
        let total = data.reduce(0) { $0 &+ $1.sizeBytes }
        guard files <= TableFacts.filesMax, total <= TableFacts.manifestBytesMax else {
            let estimate = isKnown ? max(0, Double(rows) - (hasDeletes ? removed : 0)) : nil
            return TableStatistics(rows: estimate, isExact: false, sizeBytes: bytes)
        }
        return try await exact(data, hasDeletes: hasDeletes, removed: removed)
    }

    private func exact(
        _ manifests: [ManifestFile], hasDeletes: Bool, removed: Double
    ) async throws(SQLError) -> TableStatistics {
        var rows: Int64 = 0
        var bytes: Int64 = 0
        var bounds = columns.fields.map { _ in Bounds() }
        for manifest in manifests {
            try await cache.forEach(manifest, of: metadata, in: store) { (entry) throws(Malformed) in
                guard entry.isLive, entry.file.content == .data else { return }
                rows &+= entry.file.rows
                bytes &+= entry.file.sizeBytes
                for (index, field) in columns.fields.enumerated() where field.sqlType != .unknown {
                    bounds[index].add(entry.file, field)
                }
            }
        }
        var statistics = TableStatistics(
            rows: max(0, Double(rows) - (hasDeletes ? removed : 0)), isExact: !hasDeletes, sizeBytes: bytes)
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
