// Small files put together, and deleted rows left out: new files instead of old ones, with the same rows.

public import Catalogs
import Columns
public import Diagnostics
import Formats
import Storage
import Synchronization

/// What a compaction looks for.
public struct CompactionOptions: Hashable, Sendable {
    /// Files with fewer bytes are put together; nil: three quarters of the table's target size.
    public var smallBytes: Int64?
    /// A file that lost more than this share of its rows is written anew.
    public var deletedShare: Double
    /// Fewer small files in a partition are left alone.
    public var filesMin: Int
    public init(smallBytes: Int64? = nil, deletedShare: Double = 0.1, filesMin: Int = 2) {
        self.smallBytes = smallBytes
        self.deletedShare = deletedShare
        self.filesMin = filesMin
    }
}

/// What a compaction does, or would do.
public struct CompactionSummary: Hashable, Sendable {
    public var filesBefore = 0
    public var filesAfter = 0
    public var bytesBefore: Int64 = 0
    public var bytesAfter: Int64 = 0
    public var rows: Int64 = 0
}

extension IcebergFormat {
    /// Plans the compaction of a table; nothing is written yet. Nil when there is nothing to do.
    public func compaction(
        of definition: ManagedDefinition, named name: TableName, options: CompactionOptions = CompactionOptions()
    ) async throws(SQLError) -> Compaction? {
        let metadata = try await state(of: definition)
        guard let snapshot = metadata.currentSnapshot else { return nil }
        let planner = FilePlanner(
            metadata: metadata, cache: manifests, store: stores, metrics: StoreMetrics(), domains: [:])
        let files = try await planner.plan(snapshot).files
        let layout = try WriteLayout(metadata, columns: metadata.currentSchema)
        let small = options.smallBytes ?? layout.targetBytes / 4 * 3
        var groups: [PartitionKey: [PlannedFile]] = [:]
        for file in files where file.file.format == "PARQUET" {
            let deleted = Compaction.deletedRows(file)
            guard file.file.sizeBytes < small || deleted > Double(file.file.rows) * options.deletedShare else {
                continue
            }
            groups[PartitionKey(file.file), default: []].append(file)
        }
        groups = groups.filter { _, files in
            files.count >= options.filesMin
                || files.contains { Compaction.deletedRows($0) > Double($0.file.rows) * options.deletedShare }
        }
        guard !groups.isEmpty else { return nil }
        // Columns that cannot be read would be lost.
        if let field = metadata.currentSchema.fields.first(where: { $0.sqlType == .unknown || $0.type.isNanos }) {
            throw SQLError(
                .featureNotSupported,
                "compacting table \"\(name.name)\" with column \"\(field.name)\" of type \(field.type.name) "
                    + "is not supported")
        }
        return Compaction(format: self, name: name.name, metadata: metadata, groups: Array(groups.values))
    }
}

/// A compaction: files first, commit last; it can be committed again on a later state, as long as its files are there.
public final class Compaction: Sendable {
    private let format: IcebergFormat
    private let name: String
    private let metadata: TableMetadata
    private let groups: [[PlannedFile]]
    private let state = Mutex(State())

    private struct State {
        var added: [DataFile] = []
        var attempt: [String] = []
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

    /// What is known so far: the old files, and the new ones once they are written.
    public var summary: CompactionSummary {
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

    /// Writes the new files, partition by partition, row group by row group.
    public func write() async throws(SQLError) {
        for group in groups {
            guard let first = group.first, let spec = metadata.specs[first.file.specID] else { continue }
            let layout = try WriteLayout(metadata, spec: spec, columns: metadata.currentSchema)
            let deleted = try await format.deletes(metadata).load(group)
            var sources: [WorkFile] = []
            for (file, deleted) in zip(group, deleted) { sources.append(try WorkFile(file.file, deleted)) }
            let work = ScanWork(
                store: format.stores, footers: format.footers, metadata: metadata,
                columns: layout.fields.map { .field($0) }, width: layout.fields.count, domains: [:], limit: nil)
            let store = format.stores
            let files = sources
            let made = try await onThread { () throws(SQLError) -> [DataFile] in
                try Compaction.rewrite(files, work, layout, first.file.partition, in: store)
            }
            state.withLock { $0.added += made }
        }
    }

    private static func rewrite(
        _ files: [WorkFile], _ work: ScanWork, _ layout: WriteLayout, _ partition: [Scalar],
        in store: any ObjectStore
    ) throws(SQLError) -> [DataFile] {
        var made: [DataFile] = []
        var writer: DataFileWriter?
        do throws(SQLError) {
            for file in files {
                let source = try DataTask(work, file).open(ScanContext())
                while let batch = try source.next() {
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
            }
            if let writer { made.append(try writer.finish()) }
            return made
        } catch {
            writer?.abort()
            let paths = made.compactMap { try? ObjectPath(iceberg: $0.path) }
            let failure = error
            Task.detached { try? await store.delete(paths, metrics: nil) }
            throw failure
        }
    }

    /// Makes the new state over `base`. Throws 40001 when one of the old files is gone or lost rows since.
    public func commit(onto base: ManagedDefinition) async throws(SQLError) -> ManagedDefinition {
        let (added, previous) = state.withLock { state in
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

    /// Removes the files that were written. Not to be called once a commit that holds a result may have happened.
    public func abandon() async {
        let files = state.withLock { state in
            let files = state.added.map(\.path) + state.attempt
            state = State()
            return files
        }
        await format.remove(files)
    }
}
