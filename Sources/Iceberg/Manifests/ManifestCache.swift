// Manifests and their lists never change once written: what was read of them is kept between queries.

import Diagnostics
import Storage
import Synchronization

/// Entries of manifests, and manifest lists, by path; the least recently used dropped first.
final class ManifestCache: Sendable {
    /// Files of all kept manifests together.
    static let entriesMax = 400_000
    /// Manifests with more bytes are read anew each time, entry by entry.
    static let manifestBytesMax: Int64 = 16 << 20

    private struct Kept {
        var entries: [ManifestEntry] = []
        var list: [ManifestFile] = []
        var lastUse: UInt64
        var count: Int { entries.count + list.count + 1 }
    }
    private struct State {
        var kept: [String: Kept] = [:]
        var clock: UInt64 = 0
        var entries = 0
    }
    private let state = Mutex(State())

    private func find(_ path: String) -> Kept? {
        state.withLock { state in
            state.clock += 1
            state.kept[path]?.lastUse = state.clock
            return state.kept[path]
        }
    }

    private func keep(_ path: String, _ entries: [ManifestEntry], _ list: [ManifestFile]) {
        state.withLock { state in
            state.clock += 1
            let made = Kept(entries: entries, list: list, lastUse: state.clock)
            guard made.count <= ManifestCache.entriesMax / 4 else { return }
            if let old = state.kept.updateValue(made, forKey: path) { state.entries -= old.count }
            state.entries += made.count
            guard state.entries > ManifestCache.entriesMax else { return }
            for (path, kept) in state.kept.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
                guard state.entries > ManifestCache.entriesMax / 4 * 3 else { break }
                state.kept[path] = nil
                state.entries -= kept.count
            }
        }
    }

    /// The manifests of a snapshot.
    func manifests(
        _ snapshot: Snapshot, of metadata: TableMetadata, in store: any ObjectStore, metrics: StoreMetrics? = nil
    ) async throws(SQLError) -> [ManifestFile] {
        if let path = snapshot.manifestList, let kept = find(path) { return kept.list }
        let list = try await ManifestList.read(snapshot, of: metadata, in: store, metrics: metrics)
        if let path = snapshot.manifestList { keep(path, [], list) }
        return list
    }

    /// Gives the entries of a manifest in turn.
    ///
    /// A manifest may be in lists of several snapshots; what its entries inherit is the same in all of them, but for
    /// the row ids that a list gives: those are part of the key.
    func forEach(
        _ manifest: ManifestFile, of metadata: TableMetadata, in store: any ObjectStore,
        metrics: StoreMetrics? = nil, _ body: (ManifestEntry) throws(Malformed) -> Void
    ) async throws(SQLError) {
        let key = "\(manifest.path)#\(manifest.sequenceNumber)#\(manifest.firstRowID ?? -1)"
        do throws(Malformed) {
            if let kept = find(key) {
                for entry in kept.entries { try body(entry) }
                return
            }
        } catch { throw error.error(in: manifest.path) }
        let bytes = try await IcebergFile.read(
            manifest.path, sizeBytes: manifest.sizeBytes, in: store, bytesMax: AvroReader.fileBytesMax,
            metrics: metrics)
        let isKept = Int64(bytes.count) <= ManifestCache.manifestBytesMax
        var entries: [ManifestEntry] = []
        try Manifest.forEach(manifest, bytes, of: metadata) { (entry) throws(Malformed) in
            if isKept { entries.append(entry) }
            try body(entry)
        }
        if isKept { keep(key, entries, []) }
    }
}
