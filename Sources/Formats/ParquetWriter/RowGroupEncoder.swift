// A row group on its way to bytes: one thread at a time, or one thread for each column at a time.

import Columns
import Diagnostics

/// A row group as bytes, for the writer to append.
struct EncodedRowGroup {
    var rows: Int
    var chunks: [EncodedChunk]
}

/// Encodes row groups; what it holds is at most about ``ParquetOptions/rowGroupBytesMax``.
final class RowGroupEncoder {
    private let options: ParquetOptions
    private let columns: [ColumnEncoder]
    private let scratch: [EncodingScratch]
    private let crew: EncodingCrew?
    /// Batches that wait for the other threads.
    private var waiting: [Batch] = []
    private(set) var rows = 0

    /// Batches that threads take a column of at a time: enough work to pay for waking them.
    private static let roundBatches = 32

    init(_ tree: WriteTree, _ options: ParquetOptions, threads: Int) {
        self.options = options
        var columns: [ColumnEncoder] = []
        var leaves = tree.leaves[...]
        for node in tree.columns {
            let count = node.leafCount
            columns.append(ColumnEncoder(node, leaves.prefix(count), options))
            leaves = leaves.dropFirst(count)
        }
        self.columns = columns
        let count = max(1, min(threads, columns.count))
        scratch = (0..<count).map { _ in EncodingScratch(options) }
        crew = count > 1 ? EncodingCrew(threads: count) : nil
    }

    /// Whether the row group is as large as it should be.
    var isFull: Bool {
        guard rows < options.rowGroupRowsMax else { return true }
        return columns.reduce(0) { $0 + $1.sizeBytes } >= options.rowGroupBytesMax
    }

    func append(_ batch: Batch) throws(SQLError) {
        guard batch.columns.count == columns.count else {
            throw SQLError(.internalError, "a batch of \(batch.columns.count) columns for a file of \(columns.count)")
        }
        rows += batch.rows
        guard crew != nil else {
            for index in columns.indices { try columns[index].append(batch.columns[index], scratch[0]) }
            return
        }
        waiting.append(batch)
        if waiting.count >= RowGroupEncoder.roundBatches { try encodeWaiting() }
    }

    private func encodeWaiting() throws(SQLError) {
        guard let crew, !waiting.isEmpty else { return }
        let round = UncheckedRound(batches: waiting, columns: columns, scratch: scratch)
        waiting.removeAll(keepingCapacity: true)
        try crew.run(columns.count) { index, worker throws(SQLError) in
            for batch in round.batches { try round.columns[index].append(batch.columns[index], round.scratch[worker]) }
        }
    }

    /// Ends the row group and begins the next.
    func finish() throws(SQLError) -> EncodedRowGroup {
        try encodeWaiting()
        var chunks: [EncodedChunk] = []
        if let crew {
            let round = UncheckedRound(batches: [], columns: columns, scratch: scratch)
            try crew.run(columns.count) { index, worker throws(SQLError) in
                round.made[index] = try round.columns[index].finish(round.scratch[worker])
            }
            chunks = round.made.flatMap { $0 ?? [] }
        } else {
            for column in columns { chunks += try column.finish(scratch[0]) }
        }
        defer { rows = 0 }
        return EncodedRowGroup(rows: rows, chunks: chunks)
    }
}

/// What the threads of one round share: each column and each scratch belongs to one of them at a time.
private final class UncheckedRound: @unchecked Sendable {
    // Sendable: the crew gives every column to one thread, and every thread has its own scratch.
    let batches: [Batch]
    let columns: [ColumnEncoder]
    let scratch: [EncodingScratch]
    let made: UnsafeMutableBufferPointer<[EncodedChunk]?>

    init(batches: [Batch], columns: [ColumnEncoder], scratch: [EncodingScratch]) {
        self.batches = batches
        self.columns = columns
        self.scratch = scratch
        made = .allocate(capacity: columns.count)
        made.initialize(repeating: nil)
    }

    deinit {
        made.deinitialize()
        made.deallocate()
    }
}
