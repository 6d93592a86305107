// Small files put together, and deleted rows left out: new files instead of old ones, with the same rows.

public import Catalogs
import Columns
public import Diagnostics
import Formats
import Storage
import Synchronization

extension IcebergFormat {
    public func compactions(
        of definition: ManagedDefinition, named name: TableName, options: CompactionOptions
    ) async throws(SQLError) -> [any TableCompaction] {
        let metadata = try await state(of: definition)
        guard let snapshot = metadata.currentSnapshot else { return [] }
        var domains: [Int32: ColumnDomain] = [:]
        let fields = metadata.currentSchema.fields
        for (index, domain) in options.domains where index < fields.count { domains[fields[index].id] = domain }
        let planner = FilePlanner(
            metadata: metadata, cache: manifests, store: stores, metrics: StoreMetrics(), domains: domains)
        let files = try await planner.plan(snapshot).files
        let target = try WriteLayout(metadata, columns: metadata.currentSchema).targetBytes
        let small = options.smallBytes ?? target / 4 * 3
        func lostRows(_ file: PlannedFile) -> Bool {
            Compaction.deletedRows(file) > Double(file.file.rows) * options.deletedShare
        }
        var groups: [PartitionKey: [PlannedFile]] = [:]
        for file in files where file.file.format == "PARQUET" {
            guard file.file.sizeBytes < small || lostRows(file) else { continue }
            groups[PartitionKey(file.file), default: []].append(file)
        }
        var pieces: [[PlannedFile]] = []
        for group in groups.values {
            // In the order in which the rows came: neighbours stay neighbours.
            let ordered = group.sorted { ($0.sequenceNumber, $0.file.path) < ($1.sequenceNumber, $1.file.path) }
            pieces += Compaction.pieces(ordered, bytesMax: target).filter { files in
                files.count >= max(1, options.filesMin) || files.contains(where: lostRows)
            }
        }
        guard !pieces.isEmpty else { return [] }
        // Columns that cannot be read would be lost.
        if let field = metadata.currentSchema.fields.first(where: {
            $0.sqlType == .unknown || $0.type.contains { $0.isNanos }
        }) {
            throw SQLError(
                .featureNotSupported,
                "compacting table \"\(name.name)\" with column \"\(field.name)\" of type \(field.type.name) "
                    + "is not supported")
        }
        return Compaction.commits(pieces).map {
            Compaction(format: self, name: name.name, metadata: metadata, groups: $0)
        }
    }
}

/// A piece of a compaction.
final class Compaction: TableCompaction {
    private let format: IcebergFormat
    private let name: String
    private let metadata: TableMetadata
    private let groups: [[PlannedFile]]
    private let state = Mutex(State())

    private struct State {
        var added: [DataFile] = []
        var attempt: [String] = []
        /// The new files are there; without them the old ones must stay.
        var isWritten = false
        /// Nobody waits for the files any more.
        var isAbandoned = false
    }

    /// Files that are put together at one time.
    private static let filesMax = 1_000
    /// Bytes and files that one commit replaces: what is lost when another commit comes in between.
    private static let commitBytesMax: Int64 = 4 << 30
    private static let commitFilesMax = 4_000

    /// Cuts the files of a partition so that each piece makes about one file.
    fileprivate static func pieces(_ files: [PlannedFile], bytesMax: Int64) -> [[PlannedFile]] {
        var pieces: [[PlannedFile]] = []
        var piece: [PlannedFile] = []
        var bytes: Int64 = 0
        for file in files {
            if !piece.isEmpty, bytes &+ file.file.sizeBytes > bytesMax || piece.count >= filesMax {
                pieces.append(piece)
                piece = []
                bytes = 0
            }
            piece.append(file)
            bytes &+= file.file.sizeBytes
        }
        if !piece.isEmpty { pieces.append(piece) }
        return pieces
    }

    /// Puts pieces together to commits.
    fileprivate static func commits(_ pieces: [[PlannedFile]]) -> [[[PlannedFile]]] {
        var commits: [[[PlannedFile]]] = []
        var commit: [[PlannedFile]] = []
        var (bytes, files): (Int64, Int) = (0, 0)
        for piece in pieces.sorted(by: { ($0.first?.file.path ?? "") < ($1.first?.file.path ?? "") }) {
            if !commit.isEmpty, bytes > commitBytesMax || files > commitFilesMax {
                commits.append(commit)
                commit = []
                (bytes, files) = (0, 0)
            }
            commit.append(piece)
            files += piece.count
            bytes &+= piece.reduce(0) { $0 &+ $1.file.sizeBytes }
        }
        if !commit.isEmpty { commits.append(commit) }
        return commits
    }

    init(format: IcebergFormat, name: String, metadata: TableMetadata, groups: [[PlannedFile]]) {
        self.format = format
        self.name = name
        self.metadata = metadata
        self.groups = groups
    }

    /// Rows that deletes remove from a file, as far as their lists tell.
    static func deletedRows(_ file: PlannedFile) -> Double {
        if let vector = file.deletionVector { return Double(vector.rows) }
        let positions = file.positionDeletes.filter { $0.onlyDataFile != nil }.reduce(0) { $0 + Double($1.rows) }
        // Deletes that are about several files: enough of a reason.
        let isShared = file.positionDeletes.contains { $0.onlyDataFile == nil } || !file.equalityDeletes.isEmpty
        return isShared ? Double(file.file.rows) : positions
    }

    var summary: CompactionSummary {
        var summary = CompactionSummary()
        for file in groups.joined() {
            summary.filesBefore += 1
            summary.bytesBefore &+= file.file.sizeBytes
        }
        for file in state.withLock({ $0.added }) {
            summary.filesAfter += 1
            summary.bytesAfter &+= file.sizeBytes
            summary.rows &+= file.rows
        }
        return summary
    }

    func sink() throws(SQLError) -> any RowSink {
        throw SQLError(.internalError, "a compaction of \"\(name)\" takes no rows")
    }

    /// Writes the new files, partition by partition, row group by row group.
    func write() async throws(SQLError) {
        for group in groups {
            guard let first = group.first, let spec = metadata.specs[first.file.specID] else { continue }
            let layout = try WriteLayout(
                metadata, spec: spec,
                columns: Lineage.columns(of: metadata.currentSchema, metadata, from: group.map(\.file)))
            let deleted = try await format.deletes(metadata).load(group)
            var sources: [WorkFile] = []
            for (file, deleted) in zip(group, deleted) {
                sources.append(try WorkFile(file.file, addedBy: file.sequenceNumber, deleted))
            }
            let work = ScanWork(
                store: format.stores, footers: format.footers, metadata: metadata,
                columns: layout.fields.map { ScanColumn($0) }, width: layout.fields.count, domains: [:], limit: nil)
            let store = format.stores
            let files = sources
            let made = try await onThread { () throws(SQLError) -> [DataFile] in
                try Compaction.rewrite(files, work, layout, first.file.partition, in: store)
            }
            let isWanted = state.withLock { state in
                if !state.isAbandoned { state.added += made }
                return !state.isAbandoned
            }
            guard isWanted else { return await format.remove(made.map(\.path)) }
            do { try Task.checkCancellation() } catch {
                throw SQLError(.queryCanceled, "canceling statement due to user request")
            }
        }
        state.withLock { $0.isWritten = !$0.isAbandoned }
    }

    private static func rewrite(
        _ files: [WorkFile], _ work: ScanWork, _ layout: WriteLayout, _ partition: [Scalar],
        in store: any ObjectStore
    ) throws(SQLError) -> [DataFile] {
        var made: [DataFile] = []
        var writer: DataFileWriter?
        func push(_ batch: Batch) throws(SQLError) {
            let open: DataFileWriter
            if let writer {
                open = writer
            } else {
                open = try DataFileWriter(layout, partition: partition, in: store)
                writer = open
            }
            try open.push(batch)
            if open.isFull {
                made.append(try open.finish())
                writer = nil
            }
        }
        do throws(SQLError) {
            let sorted = SortedRows(layout)
            for file in files {
                let source = try DataTask(work, file).open(ScanContext())
                while let batch = try source.next() {
                    guard let sorted else {
                        try push(batch)
                        continue
                    }
                    sorted.push(batch)
                    if sorted.isFull { try sorted.drain(push) }
                }
            }
            try sorted?.drain(push)
            // One run is sorted as a whole, also where it fills several files.
            if let writer { made.append(try writer.finish()) }
            if sorted?.runs == 1 {
                made = made.map { $0.with(sortOrderID: layout.metadata.defaultSortOrderID) }
            }
            return made
        } catch {
            writer?.abort()
            let paths = made.compactMap { try? ObjectPath(iceberg: $0.path) }
            let failure = error
            Task.detached { try? await store.delete(paths, metrics: nil) }
            throw failure
        }
    }

    func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        let (added, previous) = try state.withLock { state throws(SQLError) in
            guard state.isWritten else {
                throw SQLError(.internalError, "a compaction of \"\(name)\" is committed without its files")
            }
            defer { state.attempt = [] }
            return (state.added, state.attempt)
        }
        await format.remove(previous)
        let now = try await format.state(of: base)
        guard now.uuid == metadata.uuid else {
            throw Committer.conflict(name, "the table was replaced by another one")
        }
        var change = RowChange(added: added)
        change.isReplacement = true
        for file in groups.joined() { change.removedFiles[file.file.path] = RowRemoval.deletes(of: file) }
        var committer = Committer(format: format, name: name, base: now)
        do throws(SQLError) {
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
            state = State()
            state.isAbandoned = true
            return files
        }
        await format.remove(files)
    }
}
