// Snapshots that are not needed any more: forgotten by the metadata. Their files are left to garbage collection, which
// knows who else refers to them.

public import Catalogs
public import Diagnostics
import Foundation
import Storage

extension IcebergFormat {
    /// Forgets snapshots older than an instant (milliseconds since 1970), but for the newest `keeping` of the table's
    /// history, the current one, and those that branches and tags inside the table name. Returns the new definition, and
    /// the snapshots that are gone.
    public func expire(
        _ definition: ManagedDefinition, named name: TableName, olderThan: Int64, keeping: Int = 1
    ) async throws(SQLError) -> (definition: ManagedDefinition, expired: [Int64]) {
        let metadata = try await state(of: definition)
        var kept = Set(metadata.refs.values.map(\.snapshotID))
        var next = metadata.currentSnapshot
        for _ in 0..<max(1, keeping) {
            guard let snapshot = next else { break }
            kept.insert(snapshot.id)
            next = snapshot.parentID.flatMap { metadata.snapshots[$0] }
        }
        let expired = metadata.snapshots.values.filter { $0.timestamp < olderThan && !kept.contains($0.id) }.map(\.id)
        guard !expired.isEmpty else { return (definition, []) }
        let gone = Set(expired)
        var raw = metadata.raw
        func isKept(_ entry: JSON) -> Bool { entry["snapshot-id"]?.asInt.map { !gone.contains($0) } ?? true }
        raw["snapshots"] = .array((raw["snapshots"]?.asArray ?? []).filter(isKept))
        // The log must not tell of times whose snapshot is unknown: what is before the last gap goes.
        let log = raw["snapshot-log"]?.asArray ?? []
        let start = log.lastIndex { !isKept($0) }.map { $0 + 1 } ?? 0
        raw["snapshot-log"] = .array(Array(log[start...]))
        for key in ["statistics", "partition-statistics"] {
            if let list = raw[key]?.asArray { raw[key] = .array(list.filter(isKept)) }
        }
        raw["last-updated-ms"] = .int(max(Int64(Date().timeIntervalSince1970 * 1000), metadata.lastUpdated))
        let made = try await MetadataFile.write(raw, after: metadata, in: stores)
        keep(made)
        return (made.definition(made.currentSnapshot), expired.sorted())
    }
}
