// Writing a Parquet file: row groups, encoded anywhere, go one after the other to an object that appears when complete.
// (Parquet specification, README.md: File format.)

public import Columns
public import Diagnostics
public import Storage
import Synchronization

/// Writes one Parquet file.
///
/// Each thread that has rows makes a ``lane(threads:)`` and pushes its batches there; a lane encodes row groups by
/// itself and hands them to the writer, which appends them in the order in which they come. When all lanes are
/// finished, ``finish(if:)`` writes the footer and makes the file appear. Calls block: never make them in a task.
public final class ParquetWriter: Sendable {
    private struct State: ~Copyable {
        var upload: (any ObjectUpload)?
        var position: Int64 = 0
        var rows: Int64 = 0
        var groups: [WrittenGroup] = []
        /// Once it is appended.
        var footer: FooterWriter?
    }

    public let path: ObjectPath
    public let columns: [ParquetColumn]
    private let tree: WriteTree
    private let options: ParquetOptions
    /// The lock is held while bytes are appended: that is the back pressure of a slow store.
    private let state: Mutex<State>

    /// Begins a file. Nothing can be seen of it before `finish`.
    public init(
        _ columns: [ParquetColumn], to path: ObjectPath, in store: any ObjectStore,
        options: ParquetOptions = ParquetOptions(), metrics: StoreMetrics? = nil
    ) throws(SQLError) {
        let tree = try WriteTree(columns)
        guard !tree.leaves.isEmpty else {
            throw SQLError(.featureNotSupported, "a Parquet file needs at least one column")
        }
        var options = options
        options.rowGroupRowsMax = max(1, min(options.rowGroupRowsMax, Int(Int32.max)))
        options.pageRowsMax = max(1, min(options.pageRowsMax, 1 << 20))
        options.pageBytesMax = max(1, min(options.pageBytesMax, 64 << 20))
        options.dictionaryBytesMax = max(0, min(options.dictionaryBytesMax, 64 << 20))
        options.boundBytesMax = max(4, options.boundBytesMax)
        self.path = path
        self.columns = columns
        self.tree = tree
        self.options = options
        let upload = try store.upload(to: path, isDurable: options.isDurable, metrics: metrics)
        try upload.append([Bytes("PAR1")])
        // The upload is used under the lock only.
        nonisolated(unsafe) let held = upload
        state = Mutex(State(upload: held, position: 4))
    }

    /// Bytes written so far, without what lanes hold.
    public var sizeBytes: Int64 { state.withLock { $0.position } }

    /// Rows written so far, without what lanes hold.
    public var rows: Int64 { state.withLock { $0.rows } }

    /// Bytes of the file that are in memory still.
    public var heldBytes: Int { state.withLock { $0.upload?.heldBytes ?? 0 } }

    /// A way in for the batches of one thread. With more than one thread, columns are encoded side by side: for a
    /// source that has an order to keep and so has one thread only.
    public func lane(threads: Int = 1) -> ParquetLane {
        ParquetLane(self, RowGroupEncoder(tree, options, threads: threads))
    }

    /// Appends a row group.
    func append(_ group: EncodedRowGroup) throws(SQLError) {
        guard group.rows > 0 else { return }
        try state.withLock { state throws(SQLError) in
            guard let upload = state.upload else { throw ParquetWriter.isOver(path) }
            var parts: [Bytes] = []
            var written = WrittenGroup(offset: state.position, rows: group.rows)
            var position = state.position
            for chunk in group.chunks {
                written.chunks.append(WrittenChunk(chunk, start: position))
                if let dictionary = chunk.dictionary { parts.append(dictionary) }
                parts.append(chunk.bytes)
                position += Int64(chunk.dictionaryBytes + chunk.bytes.count)
            }
            for (index, chunk) in group.chunks.enumerated() where !chunk.bloom.isEmpty {
                written.chunks[index].bloomOffset = position
                written.chunks[index].bloomBytes = chunk.bloom.count
                parts.append(Bytes(chunk.bloom))
                position += Int64(chunk.bloom.count)
            }
            try upload.append(parts)
            state.position = position
            state.rows += Int64(group.rows)
            state.groups.append(written)
        }
    }

    private func footer(_ state: inout State, _ upload: any ObjectUpload) throws(SQLError) -> FooterWriter {
        if let footer = state.footer { return footer }
        var footer = FooterWriter(tree, options, groups: state.groups, rows: state.rows)
        try upload.append([Bytes(footer.write(at: state.position))])
        state.footer = footer
        return footer
    }

    /// Writes the footer and sends what is in memory, so that `finish` only makes the file appear. All lanes must be
    /// finished.
    public func seal() throws(SQLError) {
        try state.withLock { state throws(SQLError) in
            guard let upload = state.upload else { throw ParquetWriter.isOver(path) }
            _ = try footer(&state, upload)
            try upload.seal()
        }
    }

    /// Writes the footer and makes the file appear, if the condition holds. All lanes must be finished.
    public func finish(if precondition: Precondition = .none) throws(SQLError) -> WrittenFile {
        try state.withLock { state throws(SQLError) in
            guard let upload = state.upload else { throw ParquetWriter.isOver(path) }
            let footer = try footer(&state, upload)
            let info = try upload.complete(if: precondition)
            state.upload = nil
            return footer.file(info)
        }
    }

    /// Gives the file up; nothing is left of it. Does nothing after `finish` succeeded.
    public func abort() {
        state.withLock { state in
            state.upload?.abort()
            state.upload = nil
        }
    }

    private static func isOver(_ path: ObjectPath) -> SQLError {
        SQLError(.internalError, "file \"\(path)\" is finished or given up already")
    }
}

/// The batches of one thread on their way into a file.
public final class ParquetLane: BatchSink {
    private let writer: ParquetWriter
    private let encoder: RowGroupEncoder

    init(_ writer: ParquetWriter, _ encoder: RowGroupEncoder) {
        self.writer = writer
        self.encoder = encoder
    }

    /// Rows that are not in the file yet.
    public var rowsHeld: Int { encoder.rows }

    public func push(_ batch: Batch) throws(SQLError) {
        guard batch.rows > 0 else { return }
        try encoder.append(batch)
        if encoder.isFull { try flush() }
    }

    /// Ends the row group at hand: rows that come later go to the next.
    public func flush() throws(SQLError) {
        guard encoder.rows > 0 else { return }
        try writer.append(try encoder.finish())
    }

    public func finish() throws(SQLError) { try flush() }
}
