// The three-way merge of one table: what a branch did to it since the common base, done again on the other branch.

public import Catalogs
import Columns
public import Diagnostics
import Formats
import Storage

extension IcebergFormat {
    public func merge(
        base: ManagedDefinition, source: ManagedDefinition, target: ManagedDefinition, named name: TableName
    ) async throws(SQLError) -> ManagedDefinition {
        if source == base || source == target { return target }
        if target == base { return source }
        let merge = TableMerge(
            format: self, name: name.name, base: try await state(of: base), source: try await state(of: source),
            target: try await state(of: target))
        return try await merge.run()
    }
}

/// One merge.
private struct TableMerge: Sendable {
    let format: IcebergFormat
    let name: String
    let base: TableMetadata
    let source: TableMetadata
    let target: TableMetadata

    private static let rowsAtOnce = 1_000

    private func conflict(_ reason: String) -> SQLError { Committer.conflict(name, reason) }

    func run() async throws(SQLError) -> ManagedDefinition {
        guard base.uuid == source.uuid, base.uuid == target.uuid else {
            throw conflict("the table was replaced by another one")
        }
        let raw = try mergedMetadata()
        let change = try await rowChange()
        if change.isEmpty {
            if raw == target.raw { return target.definition(target.currentSnapshot) }
            let made = try await MetadataFile.write(raw, after: target, in: format.stores)
            format.keep(made)
            return made.definition(made.currentSnapshot)
        }
        var committer = Committer(format: format, name: name, base: try TableMetadata(raw, file: target.file))
        do throws(SQLError) {
            let made = try await committer.commit(change)
            return made.definition(made.currentSnapshot)
        } catch {
            await format.remove(committer.written)
            throw error
        }
    }

    // MARK: - Metadata

    /// Members of the metadata that change together.
    private static let groups: [(what: String, keys: [String])] = [
        ("its columns", ["schemas", "schema", "current-schema-id", "last-column-id"]),
        ("its partitioning", ["partition-specs", "partition-spec", "default-spec-id", "last-partition-id"]),
        ("its sort order", ["sort-orders", "default-sort-order-id"]), ("its format version", ["format-version"]),
        ("its location", ["location"]),
    ]

    /// The target's metadata with what the source changed in it.
    private func mergedMetadata() throws(SQLError) -> JSONObject {
        var raw = target.raw
        for group in TableMerge.groups {
            func part(_ metadata: TableMetadata) -> [JSON?] { group.keys.map { metadata.raw[$0] } }
            if part(source) == part(base) || part(source) == part(target) { continue }
            guard part(target) == part(base) else { throw conflict("both branches changed \(group.what)") }
            for key in group.keys { raw[key] = source.raw[key] }
        }
        if source.formatVersion > 2, raw["next-row-id"] == nil { raw["next-row-id"] = .int(0) }
        var properties = target.properties
        for key in Set(source.properties.keys).union(base.properties.keys) {
            let (old, new) = (base.properties[key], source.properties[key])
            if old == new || new == target.properties[key] { continue }
            guard target.properties[key] == old else { throw conflict("both branches changed the property \"\(key)\"") }
            properties[key] = new
        }
        if properties != target.properties { raw["properties"] = .object(JSONObject(properties)) }
        return raw
    }

    // MARK: - Rows

    private func files(_ metadata: TableMetadata) async throws(SQLError) -> [String: PlannedFile] {
        guard let snapshot = metadata.currentSnapshot else { return [:] }
        let planner = FilePlanner(
            metadata: metadata, cache: format.manifests, store: format.stores, metrics: StoreMetrics(), domains: [:])
        let found = try await planner.plan(snapshot)
        return Dictionary(found.files.map { ($0.file.path, $0) }) { first, _ in first }
    }

    /// What the source did to the rows since the base.
    private func rowChange() async throws(SQLError) -> RowChange {
        var change = RowChange()
        if source.currentSnapshotID == base.currentSnapshotID { return change }
        if target.currentSnapshotID != base.currentSnapshotID, replacesAll(source) || replacesAll(target) {
            throw conflict("one branch replaced all rows and the other changed them")
        }
        let before = try await files(base)
        let after = try await files(source)
        var touched: [(now: PlannedFile, then: PlannedFile?)] = []
        for (path, file) in after.sorted(by: { $0.key < $1.key }) {
            let old = before[path]
            if old == nil { change.added.append(file.file.with(firstRowID: nil)) }
            let deletes = RowRemoval.deletes(of: file)
            guard deletes != old.map({ RowRemoval.deletes(of: $0) }) ?? [] else { continue }
            guard file.equalityDeletes.map(\.path) == (old?.equalityDeletes ?? []).map(\.path) else {
                throw conflict("it has new equality deletes, which cannot be merged")
            }
            touched.append((file, old))
        }
        for (path, file) in before where after[path] == nil {
            change.removedFiles[path] = RowRemoval.deletes(of: file)
        }
        for start in stride(from: 0, to: touched.count, by: TableMerge.rowsAtOnce) {
            let part = Array(touched[start..<min(start + TableMerge.rowsAtOnce, touched.count)])
            let now = try await loader(source).load(part.map(\.now))
            let then = try await loader(base).load(part.map { $0.then ?? PlannedFile($0.now) })
            for (index, file) in part.enumerated() {
                let new = now[index].positions.subtracting(then[index].positions)
                if !new.isEmpty { change.removedRows[file.now.file.path] = new }
            }
        }
        return change
    }

    /// Whether a branch replaced all rows since the base, as far as its snapshots are known.
    private func replacesAll(_ metadata: TableMetadata) -> Bool {
        var next = metadata.currentSnapshot
        // No longer than there are snapshots, whatever their parents say.
        for _ in 0..<metadata.snapshots.count {
            guard let snapshot = next, snapshot.id != base.currentSnapshotID else { return false }
            if snapshot.summary[Committer.replacesAllKey] == "true" { return true }
            next = snapshot.parentID.flatMap { metadata.snapshots[$0] }
        }
        return false
    }

    private func loader(_ metadata: TableMetadata) -> DeleteLoader {
        format.deletes(metadata)
    }
}

extension PlannedFile {
    /// The same file without deletes.
    fileprivate init(_ other: PlannedFile) { self.init(file: other.file, sequenceNumber: other.sequenceNumber) }
}
