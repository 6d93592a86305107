// Snapshots that are not needed any more: forgotten by the metadata. Their files are left to garbage collection, which
// knows who else refers to them.

public import Catalogs
public import Diagnostics
import Foundation
import Storage

extension IcebergFormat {
    public func expired(
        of definition: ManagedDefinition, _ expiry: SnapshotExpiry
    ) async throws(SQLError) -> [SnapshotInfo] {
        try await state(of: definition).expired(expiry).map { SnapshotInfo(id: $0.id, committedAt: $0.timestamp) }
    }
}

extension TableMetadata {
    /// Snapshots older than an instant, but for the newest of the table's history, the current one, and those that
    /// branches and tags inside the table name. Oldest first.
    func expired(_ expiry: SnapshotExpiry) -> [Snapshot] {
        var kept = Set(refs.values.map(\.snapshotID))
        var next = currentSnapshot
        for _ in 0..<min(max(1, expiry.keeping), snapshots.count) {
            guard let snapshot = next else { break }
            kept.insert(snapshot.id)
            next = snapshot.parentID.flatMap { snapshots[$0] }
        }
        return snapshots.values.filter { $0.timestamp < expiry.olderThan && !kept.contains($0.id) }
            .sorted { ($0.timestamp, $0.id) < ($1.timestamp, $1.id) }
    }

    /// Takes snapshots out of metadata.
    static func forget(_ snapshots: [Snapshot], in raw: inout JSONObject) {
        guard !snapshots.isEmpty else { return }
        let gone = Set(snapshots.map(\.id))
        func isKept(_ entry: JSON) -> Bool { entry["snapshot-id"]?.asInt.map { !gone.contains($0) } ?? true }
        raw["snapshots"] = .array((raw["snapshots"]?.asArray ?? []).filter(isKept))
        // The log must not tell of times whose snapshot is unknown: what is before the last gap goes.
        let log = raw["snapshot-log"]?.asArray ?? []
        let start = log.lastIndex { !isKept($0) }.map { $0 + 1 } ?? 0
        raw["snapshot-log"] = .array(Array(log[start...]))
        for key in ["statistics", "partition-statistics"] {
            if let list = raw[key]?.asArray { raw[key] = .array(list.filter(isKept)) }
        }
    }
}
