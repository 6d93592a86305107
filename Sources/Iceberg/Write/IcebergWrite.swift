// A change of a table's rows: workers write files and name rows to remove, the commit makes a snapshot of it.

import Catalogs
import Columns
import Diagnostics
import Formats
import Storage
import Synchronization

/// A change of the rows of a table.
final class IcebergWrite: TableWrite {
    let format: IcebergFormat
    let table: IcebergTable
    private let kind: WriteKind
    private let state = Mutex(State())

    private struct State {
        var added: [DataFile] = []
        var removed: [String: PositionSet] = [:]
        var openSinks = 0
        /// Files that belong to the last commit that was tried.
        var attempt: [String] = []
    }

    init(format: IcebergFormat, table: IcebergTable, kind: WriteKind) {
        self.format = format
        self.table = table
        self.kind = kind
    }

    func sink() throws(SQLError) -> any RowSink {
        let sink = try IcebergSink(self)
        state.withLock { $0.openSinks += 1 }
        return sink
    }

    /// Takes over what a sink has done.
    func close(_ added: [DataFile], _ removed: [String: PositionSet]) {
        state.withLock { state in
            state.openSinks -= 1
            state.added += added
            for (path, positions) in removed {
                // Taken out, so that the set is not copied when it grows.
                var known = state.removed.removeValue(forKey: path) ?? PositionSet()
                known.formUnion(positions)
                state.removed[path] = known
            }
        }
    }

    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        let (change, previous) = try state.withLock { state throws(SQLError) in
            guard state.openSinks == 0 else {
                throw SQLError(
                    .internalError, "a write of \"\(table.name)\" is committed before its sinks are finished")
            }
            let previous = state.attempt
            state.attempt = []
            return (
                RowChange(
                    added: state.added, removedRows: state.removed, removesAll: kind == .replaceAll), previous
            )
        }
        await format.remove(previous)
        let metadata = try await format.state(of: base)
        var committer = Committer(format: format, name: table.name, base: metadata)
        do throws(SQLError) {
            try check(metadata, base)
            let made = try await committer.commit(change)
            let written = committer.written
            state.withLock { $0.attempt = written }
            return made.definition(made.currentSnapshot)
        } catch {
            await format.remove(committer.written)
            throw error
        }
    }

    func abandon() async {
        let files = state.withLock { state in
            let files = state.added.map(\.path) + state.attempt
            state.added = []
            state.removed = [:]
            state.attempt = []
            return files
        }
        await format.remove(files)
    }

    /// Whether the files that were written fit the table as it is now.
    private func check(_ base: TableMetadata, _ definition: ManagedDefinition) throws(SQLError) {
        let start = table.metadata
        func conflict(_ reason: String) -> SQLError { Committer.conflict(table.name, reason) }
        guard base.uuid == start.uuid else { throw conflict("the table was replaced by another one") }
        if kind == .replaceAll, base.currentSnapshotID != table.snapshot?.id {
            throw conflict("its rows were changed while all of them were being replaced")
        }
        if base.file == start.file { return }
        for field in base.currentSchema.fields {
            guard let mine = table.columns.field(field.id) else {
                if field.isRequired { throw conflict("the required column \"\(field.name)\" was added") }
                continue
            }
            guard mine.type.promotes(to: field.type, version: base.formatVersion), mine.isRequired || !field.isRequired
            else { throw conflict("column \"\(field.name)\" was changed") }
        }
        let used = Set(state.withLock { $0.added.map(\.specID) })
        for id in used where base.specs[id] != start.specs[id] { throw conflict("its partitioning was changed") }
    }
}

extension IcebergFormat {
    /// Removes files that nothing refers to. Those that stay are left to garbage collection.
    func remove(_ files: [String]) async {
        var paths: [ObjectPath] = []
        for file in files {
            if let path = try? ObjectPath(iceberg: file) { paths.append(path) }
        }
        guard !paths.isEmpty else { return }
        try? await stores.delete(paths, metrics: nil)
    }
}

/// One worker's end of a write.
final class IcebergSink: RowSink {
    private let write: IcebergWrite
    private let layout: WriteLayout
    /// That of files for rows that keep their ids.
    private let movedLayout: WriteLayout
    private let split: PartitionSplit
    private let columns: [IcebergField]
    private var open: [FileKey: DataFileWriter] = [:]
    private var finished: [DataFile] = []
    private var removed: [String: PositionSet] = [:]
    private var current: (path: String, positions: PositionSet)?
    private var clock = 0
    private var isClosed = false

    /// Files that one worker has open at a time.
    private static let openMax = 48
    /// Rows that the open files of one worker hold in memory.
    private static let heldRowsMax = 1 << 20

    init(_ write: IcebergWrite) throws(SQLError) {
        self.write = write
        columns = write.table.columns.fields
        layout = try WriteLayout(write.table.metadata, columns: write.table.columns)
        movedLayout = try WriteLayout(write.table.metadata, columns: Lineage.withIDs(write.table.columns))
        split = try PartitionSplit(layout.spec, columns)
    }

    /// Which file a row goes to.
    private struct FileKey: Hashable {
        var partition: [Scalar]
        /// Whether the rows bring their ids along.
        var isMoved: Bool
    }

    deinit {
        // A worker that failed: nothing is left of its files.
        if isClosed { return }
        for file in open.values { file.abort() }
        write.close(finished, [:])
    }

    // MARK: - Added rows

    func append(_ batch: Batch) throws(SQLError) {
        guard batch.rows > 0 else { return }
        guard batch.columns.count == columns.count || batch.columns.count == columns.count + 1 else {
            throw SQLError(.internalError, "a write of \"\(write.table.name)\" has the wrong number of columns")
        }
        guard batch.columns.count > columns.count else { return try append(batch, isMoved: false) }
        // Rows with an id keep it; the others are new, and must not be in one file with them.
        let ids = batch.columns[columns.count]
        var (moved, new): ([Int32], [Int32]) = ([], [])
        for row in 0..<batch.rows { if ids.isValid(row) { moved.append(Int32(row)) } else { new.append(Int32(row)) } }
        if new.isEmpty { return try append(batch, isMoved: true) }
        if !moved.isEmpty { try append(IcebergSink.part(batch, moved), isMoved: true) }
        let rest = moved.isEmpty ? batch : IcebergSink.part(batch, new)
        try append(Batch(Array(rest.columns.prefix(columns.count)), rows: rest.rows), isMoved: false)
    }

    private static func part(_ batch: Batch, _ rows: [Int32]) -> Batch {
        rows.withUnsafeBufferPointer { rows in
            guard let base = rows.baseAddress else { return batch }
            return Batch(batch.columns.map { Gather.take($0, base, count: rows.count) }, rows: rows.count)
        }
    }

    private func append(_ batch: Batch, isMoved: Bool) throws(SQLError) {
        for (column, field) in zip(batch.columns, columns) { try check(column, field, batch.rows) }
        guard !layout.spec.fields.isEmpty else { return try push(batch, FileKey(partition: [], isMoved: isMoved)) }
        let values = try split.values(batch)
        let groups = PartitionSplit.groups(values, rows: batch.rows)
        for group in groups {
            let key = FileKey(partition: values.map { $0.scalar(group.sample) }, isMoved: isMoved)
            if groups.count == 1 {
                try push(batch, key)
                continue
            }
            if !group.rows.isEmpty { try push(IcebergSink.part(batch, group.rows), key) }
        }
    }

    private func check(_ column: Column, _ field: IcebergField, _ rows: Int) throws(SQLError) {
        if field.sqlType == .unknown {
            for row in 0..<rows where column.isValid(row) {
                throw SQLError(
                    .featureNotSupported,
                    "writing column \"\(field.name)\" of type \(field.type.name) is not supported")
            }
        }
        guard field.isRequired, let valid = column.validityWords else { return }
        let isMissing = column.layout == .constant ? !column.isValid(0) : Bitmap.count(valid, rows) < rows
        if isMissing {
            throw SQLError(
                .notNullViolation,
                "null value in column \"\(field.name)\" of relation \"\(write.table.name)\" "
                    + "violates not-null constraint"
            )
        }
    }

    private func push(_ batch: Batch, _ key: FileKey) throws(SQLError) {
        clock += 1
        let file: DataFileWriter
        if let known = open[key] {
            file = known
        } else {
            if open.count >= IcebergSink.openMax { try closeOldest() }
            file = try DataFileWriter(
                key.isMoved ? movedLayout : layout, partition: key.partition, in: write.format.stores)
            open[key] = file
        }
        file.lastUse = clock
        let places = key.isMoved ? movedLayout.places : layout.places
        try file.push(Batch(places.map { batch.columns[$0] }, rows: batch.rows))
        if file.isFull {
            finished.append(try file.finish())
            open[key] = nil
        }
        if open.count > 1, clock % 16 == 0 { try bound() }
    }

    /// Ends row groups when many files hold rows.
    private func bound() throws(SQLError) {
        guard open.values.reduce(0, { $0 + $1.rowsHeld }) > IcebergSink.heldRowsMax else { return }
        let largest = open.values.max { $0.rowsHeld < $1.rowsHeld }
        try largest?.flush()
    }

    private func closeOldest() throws(SQLError) {
        guard let oldest = open.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
        finished.append(try oldest.value.finish())
        open[oldest.key] = nil
    }

    // MARK: - Removed rows

    func remove(_ places: Batch) throws(SQLError) {
        guard places.columns.count == RowPlace.hiddenColumns.count else {
            throw SQLError(.internalError, "rows to remove from \"\(write.table.name)\" have no places")
        }
        let (paths, positions) = (Flatten.flat(places.columns[0]), Flatten.flat(places.columns[1]))
        let (texts, numbers) = (paths.pointer(StringView.self), positions.pointer(Int64.self))
        for row in 0..<places.rows {
            guard paths.isValid(row), positions.isValid(row), numbers[row] >= 0,
                numbers[row] < PositionSet.positionMax
            else { throw SQLError(.internalError, "a row to remove from \"\(write.table.name)\" has no place") }
            let isSame = current.map { known in texts[row].withBytes { $0.elementsEqual(known.path.utf8) } }
            if isSame != true {
                if let known = current { removed[known.path] = known.positions }
                let path = texts[row].string
                // Taken out, so that the set is not copied when it grows.
                current = (path, removed.removeValue(forKey: path) ?? PositionSet())
            }
            current?.positions.insert(numbers[row])
        }
    }

    func finish() throws(SQLError) {
        guard !isClosed else { return }
        for (key, file) in open {
            finished.append(try file.finish())
            open[key] = nil
        }
        if let known = current { removed[known.path] = known.positions }
        isClosed = true
        write.close(finished, removed)
    }
}
