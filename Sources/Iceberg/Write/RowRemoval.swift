// Which files a removal of rows adds and which go: whole files, position deletes, deletion vectors, or files written
// anew.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Storage

/// What a removal does to the files of a table.
struct RemovalPlan: Sendable {
    /// Data files, and files of deletes: gone.
    var removed: Set<String> = []
    /// Deletion vectors, by the data file that they are about: gone.
    var removedVectors: Set<String> = []
    /// Manifests that hold something that goes.
    var manifests: Set<String> = []
    var added: [DataFile] = []
    var addedDeletes: [DataFile] = []

    func touches(_ manifest: ManifestFile) -> Bool { manifests.contains(manifest.path) }

    func removes(_ file: DataFile) -> Bool {
        if file.isDeletionVector { return file.facts.referencedDataFile.map { removedVectors.contains($0) } ?? false }
        if file.content == .data { return removed.contains(file.path) }
        // Position deletes of a file that goes have nothing to say any more.
        return file.content == .positionDeletes && (file.onlyDataFile.map { removed.contains($0) } ?? false)
    }
}

/// Plans the removal of rows from one state of a table.
struct RowRemoval: Sendable {
    let format: IcebergFormat
    let name: String
    let base: TableMetadata

    /// A file that loses more than this share of its rows is written anew.
    private static let defaultShare = 0.3
    private static let rewritesAtOnce = 2
    private static let batchRows = 2048

    /// A data file that loses rows.
    private struct Affected: Sendable {
        var planned: PlannedFile
        var manifest: String
        /// All that go: those of this change, and those that went before.
        var positions = PositionSet()
    }

    func plan(
        _ change: RowChange, _ manifests: [ManifestFile], _ written: inout [String]
    ) async throws(SQLError) -> RemovalPlan {
        var plan = RemovalPlan()
        if change.removesAll || (change.removedRows.isEmpty && change.removedFiles.isEmpty) { return plan }
        var wanted = Set(change.removedRows.keys).union(change.removedFiles.keys)
        var affected: [String: Affected] = [:]
        for file in change.added where wanted.contains(file.path) {
            let entry = PlannedFile(file: file, sequenceNumber: base.lastSequenceNumber &+ 1)
            affected[file.path] = Affected(planned: entry, manifest: "")
            wanted.remove(file.path)
        }
        var index = DeleteIndex()
        for manifest in manifests where manifest.mayBeLive && manifest.isDeletes {
            try await format.manifests.forEach(manifest, of: base, in: format.stores) { (entry) throws(Malformed) in
                if entry.isLive { index.add(entry, base) }
            }
        }
        for manifest in manifests where manifest.mayBeLive && !manifest.isDeletes && !wanted.isEmpty {
            try await format.manifests.forEach(manifest, of: base, in: format.stores) { (entry) throws(Malformed) in
                guard entry.isLive, wanted.remove(entry.file.path) != nil else { return }
                affected[entry.file.path] = Affected(planned: index.apply(to: entry), manifest: manifest.path)
            }
        }
        guard wanted.isEmpty else {
            throw Committer.conflict(name, "rows to change are in a file that another transaction removed")
        }
        for (path, deletes) in change.removedFiles {
            guard let file = affected[path] else { continue }
            let now = RowRemoval.deletes(of: file.planned)
            guard now.isSubset(of: deletes) else {
                throw Committer.conflict(name, "another transaction changed rows of a file that was replaced")
            }
            plan.removed.insert(path)
        }
        try await merge(change, &affected)
        try await decide(change, &affected, &plan, &written)
        for (path, file) in affected where plan.removed.contains(path) { plan.manifests.insert(file.manifest) }
        for manifest in manifests where manifest.mayBeLive && manifest.isDeletes {
            let current = plan
            var isTouched = false
            try await format.manifests.forEach(manifest, of: base, in: format.stores) { (entry) throws(Malformed) in
                if entry.isLive, current.removes(entry.file) { isTouched = true }
            }
            if isTouched { plan.manifests.insert(manifest.path) }
        }
        return plan
    }

    /// The deletes that apply to a file, as one can compare them.
    static func deletes(of file: PlannedFile) -> Set<String> {
        var result = Set((file.positionDeletes + file.equalityDeletes).map(\.path))
        if let vector = file.deletionVector { result.insert("\(vector.path)#\(vector.facts.contentOffset ?? 0)") }
        return result
    }

    /// Adds what went before to what goes now; a row that went since is a conflict.
    private func merge(_ change: RowChange, _ affected: inout [String: Affected]) async throws(SQLError) {
        let paths = change.removedRows.keys.filter { change.removedFiles[$0] == nil }.sorted()
        let loader = format.deletes(base)
        let files = paths.compactMap { affected[$0]?.planned }
        let deleted = try await loader.load(files)
        for (file, before) in zip(files, deleted) {
            let path = file.file.path
            guard let now = change.removedRows[path] else { continue }
            guard before.positions.isDisjoint(with: now) else {
                throw Committer.conflict(name, "another transaction changed the same row")
            }
            if let last = now.keys.last, Int64(bitPattern: last << 16) >= file.file.rows {
                throw SQLError(.internalError, "a row to remove is outside its file \"\(path)\"")
            }
            var all = now
            all.formUnion(before.positions)
            affected[path]?.positions = all
        }
    }

    private func decide(
        _ change: RowChange, _ affected: inout [String: Affected], _ plan: inout RemovalPlan,
        _ written: inout [String]
    ) async throws(SQLError) {
        let isWhole = base.currentSchema.fields.allSatisfy {
            $0.sqlType != .unknown && !$0.type.contains { $0.isNanos }
        }
        let mode = base.properties["write.delete.mode"]
        let share = mode == "copy-on-write" ? 0 : mode == "merge-on-read" ? 2 : RowRemoval.defaultShare
        var deletes: [Affected] = []
        var rewrites: [Affected] = []
        for (path, file) in affected.sorted(by: { $0.key < $1.key }) {
            guard change.removedFiles[path] == nil, change.removedRows[path] != nil else { continue }
            let gone = Double(file.positions.count) / Double(max(1, file.planned.file.rows))
            if Int64(file.positions.count) >= file.planned.file.rows {
                plan.removed.insert(path)
            } else if base.formatVersion > 2 {
                // Row ids stay with their rows if files stay.
                deletes.append(file)
            } else if base.formatVersion < 2 || (gone > share && isWhole) {
                guard isWhole else {
                    throw SQLError(
                        .featureNotSupported,
                        "removing rows from table \"\(name)\" of version 1 with nested columns is not supported")
                }
                plan.removed.insert(path)
                rewrites.append(file)
            } else {
                deletes.append(file)
            }
        }
        let rewritten = try await inParallel(rewrites, atOnce: RowRemoval.rewritesAtOnce) {
            (file) throws(SQLError) -> DataFile in
            try await self.rewrite(file)
        }
        written += rewritten.map(\.path)
        plan.added += rewritten
        if deletes.isEmpty {
        } else if base.formatVersion > 2 {
            plan.addedDeletes += try await vectors(deletes, &plan, &written)
        } else {
            plan.addedDeletes += try await positionDeletes(change, deletes, &written)
        }
        // Vectors of files that are gone.
        for path in plan.removed { plan.removedVectors.insert(path) }
    }

    // MARK: - Deletion vectors

    private func vectors(
        _ files: [Affected], _ plan: inout RemovalPlan, _ written: inout [String]
    ) async throws(SQLError) -> [DataFile] {
        var puffin = PuffinWriter()
        let path = "\(base.location)/data/\(UUID().uuidString.lowercased())-deletes.puffin"
        var places: [(offset: Int64, sizeBytes: Int64)] = []
        for file in files { places.append(puffin.add(file.positions, of: file.planned.file.path)) }
        let bytes = puffin.finish()
        written.append(path)
        try await format.stores.write([Bytes(bytes)], to: try ObjectPath(iceberg: path))
        var result: [DataFile] = []
        for (file, place) in zip(files, places) {
            let data = file.planned.file
            var facts = DataFile.Facts()
            facts.referencedDataFile = data.path
            facts.contentOffset = place.offset
            facts.contentSizeBytes = place.sizeBytes
            result.append(
                DataFile(
                    content: .positionDeletes, path: path, format: "PUFFIN", specID: data.specID,
                    partition: data.partition, rows: Int64(file.positions.count), sizeBytes: Int64(bytes.count),
                    facts: facts))
            if file.planned.deletionVector != nil { plan.removedVectors.insert(data.path) }
        }
        return result
    }

    // MARK: - Position deletes

    /// Up to so many data files, each has a file of deletes of its own, which goes when the data file goes; above,
    /// one for each partition.
    private static let ownDeletesMax = 64
    private static let deletesAtOnce = 4

    private func positionDeletes(
        _ change: RowChange, _ files: [Affected], _ written: inout [String]
    ) async throws(SQLError) -> [DataFile] {
        var groups: [[Affected]] = files.map { [$0] }
        if files.count > RowRemoval.ownDeletesMax {
            groups = Array(Dictionary(grouping: files) { PartitionKey($0.planned.file) }.values)
        }
        var parts: [(path: String, files: [Affected])] = []
        for files in groups {
            parts.append(("\(base.location)/data/\(UUID().uuidString.lowercased())-deletes.parquet", files))
        }
        written += parts.map(\.path)
        return try await inParallel(parts, atOnce: RowRemoval.deletesAtOnce) { (part) throws(SQLError) -> DataFile in
            try await self.positionDeletes(change, part.files, part.path)
        }
    }

    private func positionDeletes(
        _ change: RowChange, _ files: [Affected], _ path: String
    ) async throws(SQLError) -> DataFile {
        guard let data = files.first?.planned.file else {
            throw SQLError(.internalError, "a file of deletes of \"\(name)\" is about no file")
        }
        let target = try ObjectPath(iceberg: path)
        let rows = files.map { (path: $0.planned.file.path, positions: change.removedRows[$0.planned.file.path]) }
            .sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        let store = format.stores
        let file = try await onThread { () throws(SQLError) -> WrittenFile in
            try RowRemoval.write(rows, to: target, in: store)
        }
        var facts = DataFile.Facts()
        if rows.count == 1 { facts.referencedDataFile = rows[0].path }
        // Bounds of the path are whole: a reader tells by them whether the file is about one data file only.
        if let first = rows.first?.path, let last = rows.last?.path {
            facts.lowerBounds = [FieldIDs.deletePath: Array(first.utf8)]
            facts.upperBounds = [FieldIDs.deletePath: Array(last.utf8)]
        }
        facts.splitOffsets = file.splitOffsets
        return DataFile(
            content: .positionDeletes, path: path, format: "PARQUET", specID: data.specID,
            partition: data.partition, rows: file.rows, sizeBytes: file.sizeBytes, facts: facts)
    }

    private static func write(
        _ files: [(path: String, positions: PositionSet?)], to target: ObjectPath, in store: any ObjectStore
    ) throws(SQLError) -> WrittenFile {
        let columns = [
            ParquetColumn("file_path", .text, isNullable: false, id: FieldIDs.deletePath),
            ParquetColumn("pos", .int8, isNullable: false, id: FieldIDs.deletePosition),
        ]
        var options = ParquetOptions()
        // The commit sees to it, for all files at one time.
        options.isDurable = false
        let writer = try ParquetWriter(columns, to: target, in: store, options: options)
        let lane = writer.lane()
        do throws(SQLError) {
            for file in files {
                var positions: [Int64] = []
                positions.reserveCapacity(file.positions?.count ?? 0)
                file.positions?.forEach { positions.append($0) }
                for start in stride(from: 0, to: positions.count, by: batchRows) {
                    let count = min(batchRows, positions.count - start)
                    let values = Buffer(count: count, of: Int64.self)
                    for row in 0..<count { values.pointer(Int64.self)[row] = positions[start + row] }
                    let paths = Column.constant(.text(file.path), count: count)
                    try lane.push(Batch([paths, Column(.int8, count: count, values: values)], rows: count))
                }
            }
            try lane.finish()
            return try writer.finish()
        } catch {
            writer.abort()
            throw error
        }
    }

    // MARK: - Copy on write

    /// The rows that stay, in a new file of the same partition.
    private func rewrite(_ file: Affected) async throws(SQLError) -> DataFile {
        let data = file.planned.file
        guard let spec = base.specs[data.specID] else {
            throw Committer.conflict(name, "its partitioning \(data.specID) is not known")
        }
        let layout = try WriteLayout(
            base, spec: spec, columns: Lineage.columns(of: base.currentSchema, base, from: [data]))
        let loader = format.deletes(base)
        let before = try await loader.load([file.planned])
        var deleted = before.first ?? DeletedRows()
        deleted.positions = file.positions
        let work = ScanWork(
            store: format.stores, footers: format.footers, metadata: base,
            columns: layout.fields.map { ScanColumn($0) },
            width: layout.fields.count, domains: [:], limit: nil)
        let source = try WorkFile(data, addedBy: file.planned.sequenceNumber, deleted)
        let store = format.stores
        return try await onThread { () throws(SQLError) -> DataFile in
            let rows = try DataTask(work, source).open(ScanContext())
            let writer = try DataFileWriter(layout, partition: data.partition, in: store)
            do throws(SQLError) {
                while let batch = try rows.next() { try writer.push(batch) }
                return try writer.finish()
            } catch {
                writer.abort()
                throw error
            }
        }
    }
}
