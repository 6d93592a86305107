// Reads the files that remove rows: deletion vectors, position deletes and equality deletes.

import Columns
import Diagnostics
import Formats
import Foundation
import Storage
import Synchronization

/// Loads the deletes of the data files of a scan.
struct DeleteLoader: Sendable {
    let metadata: TableMetadata
    let store: any ObjectStore
    let footers: FooterCache
    let metrics: StoreMetrics
    var cache: PositionCache?

    private static let filesAtOnce = 16
    /// Removed positions that one scan holds in memory.
    private static let positionsMax = 1 << 30

    /// What removes rows from each of some files, in their order.
    func load(_ files: [PlannedFile]) async throws(SQLError) -> [DeletedRows] {
        guard files.contains(where: \.hasDeletes) else { return files.map { _ in DeletedRows() } }
        let vectors = try await vectors(files)
        let positions = try await positions(files)
        let keys = try await keys(files)
        var result: [DeletedRows] = []
        for (index, file) in files.enumerated() {
            var deleted = DeletedRows()
            if let set = vectors[index] {
                deleted.positions = set
            } else {
                for delete in file.positionDeletes {
                    if let set = positions[delete.path]?[file.file.path] { deleted.positions.formUnion(set) }
                }
            }
            for (ids, paths) in DeleteLoader.groups(file.equalityDeletes) {
                if let set = keys[KeyGroup(ids: ids, paths: paths)], set.rows > 0 { deleted.keys.append(set) }
            }
            result.append(deleted)
        }
        return result
    }

    // MARK: - Deletion vectors

    private func vectors(_ files: [PlannedFile]) async throws(SQLError) -> [PositionSet?] {
        let sets = try await inParallel(files, atOnce: DeleteLoader.filesAtOnce) {
            (file) throws(SQLError) -> PositionSet? in
            guard let vector = file.deletionVector else { return nil }
            return try await self.vector(vector)
        }
        return sets
    }

    func vector(_ file: DataFile) async throws(SQLError) -> PositionSet {
        let offset = file.facts.contentOffset ?? 0
        let key = "\(file.path)#\(offset)"
        if let kept = cache?.find(key) { return kept }
        guard let size = file.facts.contentSizeBytes, size > 0, size <= DeletionVector.bytesMax, offset >= 0,
            offset <= Int64.max - size
        else { throw Malformed("a deletion vector has no valid place in it").error(in: file.path) }
        let bytes = try await store.read(
            offset..<offset + size, of: try ObjectPath(iceberg: file.path), metrics: metrics)
        defer { withExtendedLifetime(bytes) {} }
        do throws(Malformed) {
            let set = try DeletionVector.decode(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count))
            guard Int64(set.count) == file.rows else {
                throw Malformed("a deletion vector has \(set.count) rows where \(file.rows) are expected")
            }
            cache?.keep(key, set)
            return set
        } catch { throw error.error(in: file.path) }
    }

    // MARK: - Position deletes

    /// Removed positions by file of deletes and data file.
    private func positions(_ files: [PlannedFile]) async throws(SQLError) -> [String: [String: PositionSet]] {
        var wanted: Set<String> = []
        var deletes: [String: DataFile] = [:]
        for file in files where file.deletionVector == nil && !file.positionDeletes.isEmpty {
            wanted.insert(file.file.path)
            for delete in file.positionDeletes { deletes[delete.path] = delete }
        }
        let list = deletes.values.sorted { $0.path < $1.path }
        let read = try await inParallel(list, atOnce: DeleteLoader.filesAtOnce) {
            [wanted] (delete) throws(SQLError) -> [String: PositionSet] in
            try await self.positions(delete, of: wanted)
        }
        var result: [String: [String: PositionSet]] = [:]
        var total = 0
        for (delete, sets) in zip(list, read) {
            result[delete.path] = sets
            for set in sets.values { total += set.count }
        }
        guard total <= DeleteLoader.positionsMax else {
            throw SQLError(.programLimitExceeded, "a scan has more than \(DeleteLoader.positionsMax) deleted rows")
        }
        return result
    }

    /// The positions that a file of deletes has for some data files.
    func positions(_ delete: DataFile, of wanted: Set<String>) async throws(SQLError) -> [String: PositionSet] {
        let only = delete.onlyDataFile
        if let only, let kept = cache?.find(delete.path) { return [only: kept] }
        let (footer, path) = try await footer(delete)
        guard let pathColumn = DeleteLoader.column(footer, FieldIDs.deletePath, "file_path"),
            let positionColumn = DeleteLoader.column(footer, FieldIDs.deletePosition, "pos"),
            footer.fields[pathColumn].type.widens(to: .text), footer.fields[positionColumn].type.widens(to: .int8)
        else { throw Malformed("it has no columns file_path and pos").error(in: path) }
        let scan = FileScan(
            footer, in: store,
            columns: [FileColumn(.file(pathColumn), type: .text), FileColumn(.file(positionColumn), type: .int8)],
            domains: wanted.count == 1 ? wanted.first.map { [0: .equal(.text($0))] } ?? [:] : [:])
        let found = try await onThread { () throws(SQLError) -> [String: PositionSet] in
            let source = try ParquetSource(scan)
            try source.open()
            var sets: [String: PositionSet] = [:]
            var current: (path: String, set: PositionSet)?
            while let batch = try source.next() {
                let paths = Flatten.flat(batch.columns[0])
                let positions = Flatten.flat(batch.columns[1])
                let (texts, numbers) = (paths.pointer(StringView.self), positions.pointer(Int64.self))
                for row in 0..<batch.rows {
                    guard paths.isValid(row), positions.isValid(row), numbers[row] >= 0,
                        numbers[row] < PositionSet.positionMax
                    else { throw Malformed("it has a row without a valid position").error(in: path) }
                    let isSame = current.map { open in
                        texts[row].withBytes { $0.elementsEqual(open.path.utf8) }
                    }
                    if isSame != true {
                        if let open = current { sets[open.path] = open.set }
                        let next = texts[row].string
                        // Taken out, so that the set is not copied when it grows.
                        current = (next, sets.removeValue(forKey: next) ?? PositionSet())
                    }
                    if wanted.contains(current?.path ?? "") { current?.set.insert(numbers[row]) }
                }
            }
            if let open = current { sets[open.path] = open.set }
            return sets.filter { !$0.value.isEmpty }
        }
        if let only, wanted.contains(only), let set = found[only] { cache?.keep(delete.path, set) }
        return found
    }

    private static func column(_ footer: FileFooter, _ id: Int32, _ name: String) -> Int? {
        footer.fields.firstIndex { $0.id == id } ?? footer.fields.firstIndex { $0.name == name }
    }

    // MARK: - Equality deletes

    private struct KeyGroup: Hashable, Sendable {
        var ids: [Int32]
        var paths: [String]
    }

    /// Files of deletes by the columns that they compare.
    private static func groups(_ deletes: [DataFile]) -> [(ids: [Int32], paths: [String])] {
        var groups: [[Int32]: [String]] = [:]
        for delete in deletes { groups[(delete.facts.equalityIDs ?? []).sorted(), default: []].append(delete.path) }
        return groups.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value.sorted()) }
    }

    private func keys(_ files: [PlannedFile]) async throws(SQLError) -> [KeyGroup: EqualityKeys] {
        var groups: Set<KeyGroup> = []
        var deletes: [String: DataFile] = [:]
        for file in files where !file.equalityDeletes.isEmpty {
            for delete in file.equalityDeletes { deletes[delete.path] = delete }
            for (ids, paths) in DeleteLoader.groups(file.equalityDeletes) {
                groups.insert(KeyGroup(ids: ids, paths: paths))
            }
        }
        let list = Array(groups)
        let sets = try await inParallel(list, atOnce: DeleteLoader.filesAtOnce) {
            [deletes] (group) throws(SQLError) -> EqualityKeys in
            let set = EqualityKeys(try self.fields(group.ids))
            for path in group.paths {
                if let delete = deletes[path] { try await self.read(delete, into: set) }
            }
            return set
        }
        return Dictionary(zip(list, sets)) { first, _ in first }
    }

    private func fields(_ ids: [Int32]) throws(SQLError) -> [IcebergField] {
        guard !ids.isEmpty else { throw SQLError(.dataCorrupted, "a file of equality deletes names no columns") }
        var fields: [IcebergField] = []
        for id in ids {
            guard let field = metadata.field(id), field.sqlType != .unknown else {
                throw SQLError(
                    .featureNotSupported, "equality deletes by the column with id \(id) are not supported")
            }
            fields.append(field)
        }
        return fields
    }

    private func read(_ delete: DataFile, into set: EqualityKeys) async throws(SQLError) {
        let (footer, path) = try await footer(delete)
        let projection = try Projection(metadata: metadata).resolve(
            set.fields.map { .field($0) }, in: delete, changedBy: 0, footer)
        let scan = FileScan(footer, in: store, columns: projection.columns)
        try await onThread { () throws(SQLError) in
            let source = try ParquetSource(scan)
            try source.open()
            while let batch = try source.next() {
                var columns: [Column] = []
                for (column, repair) in zip(batch.columns, projection.repairs) {
                    columns.append(try repair.apply(column, file: path))
                }
                try set.add(columns, rows: batch.rows)
            }
        }
    }

    private func footer(_ delete: DataFile) async throws(SQLError) -> (FileFooter, String) {
        guard delete.format == "PARQUET" else {
            throw SQLError(
                .featureNotSupported, "deletes in format \(delete.format) are not supported (\(delete.path))")
        }
        let path = try ObjectPath(iceberg: delete.path)
        let footer = try await ParquetFile.footer(
            of: path, in: store, info: .named(path, sizeBytes: delete.sizeBytes), cache: footers, metrics: metrics)
        return (footer, delete.path)
    }
}

/// Positions of files of deletes, which never change: kept between queries, the least recently used dropped first.
final class PositionCache: Sendable {
    private struct Kept {
        let set: PositionSet
        var lastUse: UInt64
    }
    private struct State {
        var kept: [String: Kept] = [:]
        var clock: UInt64 = 0
        var sizeBytes = 0
    }
    private let state = Mutex(State())

    private static let bytesMax = 64 << 20

    func find(_ key: String) -> PositionSet? {
        state.withLock { state in
            state.clock += 1
            state.kept[key]?.lastUse = state.clock
            return state.kept[key]?.set
        }
    }

    func keep(_ key: String, _ set: PositionSet) {
        guard set.sizeBytes <= PositionCache.bytesMax / 8 else { return }
        state.withLock { state in
            state.clock += 1
            if let old = state.kept[key] { state.sizeBytes -= old.set.sizeBytes }
            state.kept[key] = Kept(set: set, lastUse: state.clock)
            state.sizeBytes += set.sizeBytes
            guard state.sizeBytes > PositionCache.bytesMax else { return }
            for (key, kept) in state.kept.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
                guard state.sizeBytes > PositionCache.bytesMax / 4 * 3 else { break }
                state.kept[key] = nil
                state.sizeBytes -= kept.set.sizeBytes
            }
        }
    }
}

/// Runs what blocks on a thread of its own.
func onThread<Made: Sendable>(
    _ body: @escaping @Sendable () throws(SQLError) -> Made
) async throws(SQLError) -> Made {
    let result: Result<Made, SQLError> = await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
            do throws(SQLError) { continuation.resume(returning: .success(try body())) } catch {
                continuation.resume(returning: .failure(error))
            }
        }
    }
    return try result.get()
}
