// Makes the next snapshot of a table: which files it has, and in which manifests (specification, "Commits").

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Storage

/// What a snapshot changes.
struct RowChange: Sendable {
    /// Data files that were written.
    var added: [DataFile] = []
    /// Positions of rows by data file; the file may be one of those added.
    var removedRows: [String: PositionSet] = [:]
    /// Data files that go as a whole, with the deletes that apply to them where the change was made.
    var removedFiles: [String: Set<String>] = [:]
    /// Every file goes that is there.
    var removesAll = false
    /// The rows stay as they are: other files hold them.
    var isReplacement = false

    var isEmpty: Bool { added.isEmpty && removedRows.isEmpty && removedFiles.isEmpty && !removesAll }
}

/// Commits one change onto one state of a table.
struct Committer {
    let format: IcebergFormat
    let name: String
    let base: TableMetadata
    /// Files that were written so far: to be removed if the commit is not made.
    private(set) var written: [String] = []
    /// Not written yet: what a snapshot consists of goes out together.
    private var pending: [NewObject] = []
    private var pendingBytes = 0

    let snapshotID = Int64.random(in: 1...Int64.max)
    let label = UUID().uuidString.lowercased()
    private var manifestNumber = 0
    private var summary = SummaryCounts()

    /// Small manifests are put together when there are so many.
    private static let manifestsToMerge = 100
    private static let mergedManifestBytes: Int64 = 8 << 20

    init(format: IcebergFormat, name: String, base: TableMetadata) {
        self.format = format
        self.name = name
        self.base = base
    }

    /// In the summary of a snapshot that replaced all rows: it cannot be merged with other changes.
    static let replacesAllKey = "apus.replaces-all"

    static func conflict(_ name: String, _ reason: String) -> SQLError {
        SQLError(
            .serializationFailure, "could not serialize access to table \"\(name)\" due to concurrent update",
            detail: "Reason: \(reason).", hint: "The transaction might succeed if retried.")
    }

    var sequenceNumber: Int64 { base.formatVersion > 1 ? base.lastSequenceNumber &+ 1 : 0 }

    /// Writes what the snapshot needs and returns the table's new metadata; the base's own when nothing changes.
    mutating func commit(_ change: RowChange) async throws(SQLError) -> TableMetadata {
        if change.isEmpty { return base }
        let manifests: [ManifestFile]
        if let snapshot = base.currentSnapshot {
            manifests = try await format.manifests.manifests(snapshot, of: base, in: format.stores)
        } else {
            manifests = []
        }
        var plan = try await RowRemoval(format: format, name: name, base: base).plan(change, manifests, &written)
        let removed = plan.removed
        plan.added += change.added.filter { !removed.contains($0.path) }
        if change.removesAll, plan.added.isEmpty, !manifests.contains(where: \.mayBeLive) { return base }
        var list: [ManifestFile] = []
        for added in Committer.bySpec(plan.added) {
            list.append(try await write(added.specID, isDeletes: false, added.files.map { entry($0, .added) }))
        }
        for added in Committer.bySpec(plan.addedDeletes) {
            list.append(try await write(added.specID, isDeletes: true, added.files.map { entry($0, .added) }))
        }
        for manifest in manifests where manifest.mayBeLive {
            if change.removesAll || plan.touches(manifest) {
                if let kept = try await rewrite(manifest, plan, removesAll: change.removesAll) { list.append(kept) }
            } else {
                list.append(manifest)
            }
        }
        list = try await merged(list)
        let nextRowID = number(&list)
        let location = "\(base.location)/metadata/snap-\(snapshotID)-1-\(label).avro"
        let parts = try ManifestList.write(
            list, snapshotID: snapshotID, parentID: base.currentSnapshotID, sequenceNumber: sequenceNumber,
            version: base.formatVersion)
        try await store(parts, location)
        return try await finish(change, location, nextRowID, settling: plan.added + plan.addedDeletes)
    }

    /// More bytes of metadata than this are written before the rest is made.
    private static let pendingBytesMax = 64 << 20

    private mutating func store(_ parts: [Bytes], _ location: String) async throws(SQLError) {
        pending.append(NewObject(path: try ObjectPath(iceberg: location), parts: parts))
        written.append(location)
        pendingBytes += parts.reduce(0) { $0 + $1.count }
        if pendingBytes > Committer.pendingBytesMax { try await writePending([]) }
    }

    private mutating func writePending(_ data: [DataFile]) async throws(SQLError) {
        var paths: Set<ObjectPath> = []
        for file in data { paths.insert(try ObjectPath(iceberg: file.path)) }
        let objects = pending
        pending = []
        pendingBytes = 0
        try await format.stores.write(objects, settling: Array(paths), metrics: nil)
    }

    private func entry(_ file: DataFile, _ status: ManifestEntry.Status) -> ManifestEntry {
        ManifestEntry(
            status: status, snapshotID: snapshotID, sequenceNumber: sequenceNumber,
            fileSequenceNumber: sequenceNumber, file: file)
    }

    private static func bySpec(_ files: [DataFile]) -> [(specID: Int32, files: [DataFile])] {
        Dictionary(grouping: files, by: \.specID).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    // MARK: - Manifests

    private func writer(_ specID: Int32, isDeletes: Bool) throws(SQLError) -> ManifestWriter {
        guard let spec = base.specs[specID] else {
            throw Committer.conflict(name, "its partitioning \(specID) is not known")
        }
        return ManifestWriter(spec: spec, isDeletes: isDeletes, snapshotID: snapshotID, of: base)
    }

    private mutating func write(
        _ specID: Int32, isDeletes: Bool, _ entries: [ManifestEntry]
    ) async throws(SQLError) -> ManifestFile {
        var writer = try writer(specID, isDeletes: isDeletes)
        for entry in entries {
            try writer.add(entry)
            summary.add(entry.file)
        }
        return try await store(&writer)
    }

    private mutating func store(_ writer: inout ManifestWriter) async throws(SQLError) -> ManifestFile {
        let path = "\(base.location)/metadata/\(label)-m\(manifestNumber).avro"
        manifestNumber += 1
        let (parts, file) = try writer.finish(path: path, sequenceNumber: sequenceNumber)
        try await store(parts, path)
        return file
    }

    /// The manifest without the files that go; nil if it has nothing to tell any more.
    private mutating func rewrite(
        _ manifest: ManifestFile, _ plan: RemovalPlan, removesAll: Bool
    ) async throws(SQLError) -> ManifestFile? {
        var writer = try writer(manifest.specID, isDeletes: manifest.isDeletes)
        var failure: SQLError?
        var counts = summary
        let snapshotID = snapshotID
        try await format.manifests.forEach(manifest, of: base, in: format.stores) { (entry) throws(Malformed) in
            // What an older snapshot deleted is its own history.
            guard entry.isLive, failure == nil else { return }
            var copy = entry
            if removesAll || plan.removes(entry.file) {
                copy.status = .deleted
                copy.snapshotID = snapshotID
                counts.remove(entry.file)
            } else {
                copy.status = .existing
            }
            do throws(SQLError) { try writer.add(copy) } catch { failure = error }
        }
        if let failure { throw failure }
        summary = counts
        guard writer.entries > 0 else { return nil }
        return try await store(&writer)
    }

    /// Puts small manifests of one kind together when there are many.
    private mutating func merged(_ list: [ManifestFile]) async throws(SQLError) -> [ManifestFile] {
        struct Kind: Hashable {
            var specID: Int32
            var isDeletes: Bool
        }
        guard base.properties["commit.manifest-merge.enabled"] != "false" else { return list }
        let threshold =
            base.properties["commit.manifest.min-count-to-merge"].flatMap { Int($0) } ?? Committer.manifestsToMerge
        var result: [ManifestFile] = []
        let snapshotID = snapshotID
        let kinds = Dictionary(grouping: list) { Kind(specID: $0.specID, isDeletes: $0.isDeletes) }
        for (kind, manifests) in kinds.sorted(by: {
            ($0.key.specID, $0.value[0].path) < ($1.key.specID, $1.value[0].path)
        }) {
            // Those of this snapshot stay: what they say of it must be told once.
            let small = manifests.filter {
                $0.addedSnapshotID != snapshotID && $0.sizeBytes < Committer.mergedManifestBytes / 4
            }
            guard small.count >= max(2, threshold) else {
                result += manifests
                continue
            }
            let taken = Set(small.map(\.path))
            result += manifests.filter { !taken.contains($0.path) }
            var writer = try writer(kind.specID, isDeletes: kind.isDeletes)
            for manifest in small {
                var failure: SQLError?
                try await format.manifests.forEach(manifest, of: base, in: format.stores) { (entry) throws(Malformed) in
                    guard entry.isLive, failure == nil else { return }
                    var copy = entry
                    copy.status = .existing
                    do throws(SQLError) { try writer.add(copy) } catch { failure = error }
                }
                if let failure { throw failure }
                if Int64(writer.sizeBytes) >= Committer.mergedManifestBytes {
                    result.append(try await store(&writer))
                    writer = try self.writer(kind.specID, isDeletes: kind.isDeletes)
                }
            }
            if writer.entries > 0 { result.append(try await store(&writer)) }
        }
        // Data before deletes, as all writers do.
        return result.filter { !$0.isDeletes } + result.filter(\.isDeletes)
    }

    /// Gives data manifests their first row ids (version 3); returns the table's next one.
    private func number(_ list: inout [ManifestFile]) -> Int64 {
        guard base.formatVersion > 2 else { return 0 }
        var next = base.nextRowID
        for index in list.indices where !list[index].isDeletes && list[index].firstRowID == nil {
            list[index].firstRowID = next
            next &+= (list[index].addedRows ?? 0) &+ (list[index].existingRows ?? 0)
        }
        return next
    }

    // MARK: - Metadata

    /// Snapshots that metadata keeps unless the table says otherwise; older states are in the catalog's history.
    private static let snapshotsMax = 1_000
    static let snapshotsMaxKey = "apus.snapshots.max"

    /// Forgets the oldest snapshots when there are too many: each commit writes all of them.
    private func trim(_ raw: inout JSONObject) {
        let most = max(1, base.properties[Committer.snapshotsMaxKey].flatMap { Int($0) } ?? Committer.snapshotsMax)
        // A tenth at a time.
        guard base.snapshots.count >= most else { return }
        let surplus = base.snapshots.count &- most &+ max(1, most / 10)
        let old = base.expired(SnapshotExpiry(olderThan: .max, keeping: 1)).prefix(surplus)
        TableMetadata.forget(Array(old), in: &raw)
    }

    private mutating func finish(
        _ change: RowChange, _ manifestList: String, _ nextRowID: Int64, settling files: [DataFile]
    ) async throws(SQLError) -> TableMetadata {
        var raw = base.raw
        let now = max(Int64(Date().timeIntervalSince1970 * 1000), base.lastUpdated)
        var texts = summary.texts(over: base.currentSnapshot, removesAll: change.removesAll)
        if change.removesAll { texts[Committer.replacesAllKey] = "true" }
        var summaryObject: JSONObject = ["operation": .string(change.isReplacement ? "replace" : summary.operation)]
        for (key, value) in texts.sorted(by: { $0.key < $1.key }) { summaryObject[key] = .string(value) }
        var snapshot: JSONObject = ["snapshot-id": .int(snapshotID)]
        if let parent = base.currentSnapshotID { snapshot["parent-snapshot-id"] = .int(parent) }
        if base.formatVersion > 1 { snapshot["sequence-number"] = .int(sequenceNumber) }
        snapshot["timestamp-ms"] = .int(now)
        snapshot["manifest-list"] = .string(manifestList)
        snapshot["summary"] = .object(summaryObject)
        snapshot["schema-id"] = .int(Int64(base.currentSchema.id))
        if base.formatVersion > 2 {
            snapshot["first-row-id"] = .int(base.nextRowID)
            snapshot["added-rows"] = .int(nextRowID &- base.nextRowID)
            raw["next-row-id"] = .int(nextRowID)
        }
        if base.formatVersion > 1 { raw["last-sequence-number"] = .int(sequenceNumber) }
        raw["last-updated-ms"] = .int(now)
        raw["current-snapshot-id"] = .int(snapshotID)
        raw["snapshots"] = .array((raw["snapshots"]?.asArray ?? []) + [.object(snapshot)])
        raw["snapshot-log"] = .array(
            (raw["snapshot-log"]?.asArray ?? []) + [
                .object(["timestamp-ms": .int(now), "snapshot-id": .int(snapshotID)])
            ])
        trim(&raw)
        var refs = raw["refs"]?.asObject ?? JSONObject()
        var main = refs["main"]?.asObject ?? JSONObject()
        main["snapshot-id"] = .int(snapshotID)
        main["type"] = .string("branch")
        refs["main"] = .object(main)
        raw["refs"] = .object(refs)
        let (made, object) = try MetadataFile.next(raw, after: base, keepsSnapshots: true)
        try await store(object.parts, made.file)
        try await writePending(files)
        format.keep(made)
        return made
    }
}

/// What a snapshot's summary counts.
struct SummaryCounts: Sendable {
    private var counts: [String: Int64] = [:]
    private var partitions: Set<PartitionKey> = []

    mutating func add(_ file: DataFile) { count(file, "added", 1) }
    mutating func remove(_ file: DataFile) { count(file, "removed", -1) }

    private mutating func count(_ file: DataFile, _ word: String, _ sign: Int64) {
        func add(_ key: String, _ amount: Int64) { counts[key, default: 0] &+= amount }
        partitions.insert(PartitionKey(file))
        let isAdded = sign > 0
        add("\(word)-files-size", file.sizeBytes)
        switch file.content {
        case .data:
            add(isAdded ? "added-data-files" : "deleted-data-files", 1)
            add(isAdded ? "added-records" : "deleted-records", file.rows)
        case .positionDeletes:
            add("\(word)-delete-files", 1)
            add("\(word)-position-deletes", file.rows)
            add(file.isDeletionVector ? "\(word)-dvs" : "\(word)-position-delete-files", 1)
        case .equalityDeletes:
            add("\(word)-delete-files", 1)
            add("\(word)-equality-deletes", file.rows)
            add("\(word)-equality-delete-files", 1)
        }
    }

    var operation: String {
        let adds = counts["added-data-files"] != nil
        let removes = counts["deleted-data-files"] != nil || counts["added-delete-files"] != nil
        return adds ? (removes ? "overwrite" : "append") : "delete"
    }

    /// The counts, and the totals where the parent has them.
    func texts(over parent: Snapshot?, removesAll: Bool) -> [String: String] {
        var texts = counts.filter { $0.value != 0 }.mapValues { String($0) }
        texts["changed-partition-count"] = String(partitions.count)
        let totals: [(total: String, added: String, removed: String)] = [
            ("total-data-files", "added-data-files", "deleted-data-files"),
            ("total-records", "added-records", "deleted-records"),
            ("total-files-size", "added-files-size", "removed-files-size"),
            ("total-delete-files", "added-delete-files", "removed-delete-files"),
            ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
            ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
        ]
        for (total, added, removed) in totals {
            var before: Int64? = 0
            if let parent, !removesAll { before = parent.summary[total].flatMap { Int64($0) } }
            guard let before else { continue }
            let gone = removesAll ? 0 : counts[removed] ?? 0
            texts[total] = String(max(0, before &+ (counts[added] ?? 0) &- gone))
        }
        texts["engine-name"] = "apus"
        return texts
    }
}
