// Batches to DataRow messages. Columns are encoded one by one, then rows are put together from their cells. Hot.
public import Columns
public import Diagnostics
import Glibc

/// Encodes the rows of one portal. Takes a batch, gives its rows in as many pieces as the caller wants, so that a row
/// limit or a full socket can stop in the middle. One owner at a time.
public final class RowEncoder {
    private let formats: [ValueFormat]
    private let fourBytes: [Bool]
    private let zone: SessionTimeZone
    private let cells: [ColumnCells]
    /// The messages' type: DataRow, or CopyData, whose binary rows look the same; nil: rows without a message's head.
    private let kind: UInt8?
    private var sources: [Source] = []
    private var batch: Batch?
    private var next = 0

    /// The longest message PostgreSQL's clients take.
    private static let rowBytesMax = 0x3fff_ffff

    /// Where a column's cells come from while rows are put together.
    private struct Source {
        var bytes: UnsafePointer<UInt8>
        var offsets: UnsafePointer<Int>
        /// Views of a text column; nil for the others.
        var views: UnsafePointer<StringView>?
    }

    /// Makes an encoder. No formats stand for text, one for all columns.
    public init(
        _ fields: [RowField], formats: [ValueFormat], zone: SessionTimeZone, kind: UInt8? = 68,
        names: (any SystemNames)? = nil
    ) throws(SQLError) {
        self.kind = kind
        guard formats.count <= 1 || formats.count == fields.count else {
            throw SQLError(
                .protocolViolation,
                "bind message has \(formats.count) result formats but query has \(fields.count) columns")
        }
        var all: [ValueFormat] = []
        for index in fields.indices { all.append(formats.count > 1 ? formats[index] : formats.first ?? .text) }
        self.formats = all
        fourBytes = fields.map { PostgresType.isFourByteAlias($0.announcedOID) }
        self.zone = zone
        cells = fields.map { _ in ColumnCells(names: names) }
    }

    /// Rows of the batch that were not given out yet.
    public var rowsLeft: Int { (batch?.rows ?? 0) - next }

    /// Takes the next batch; the one before must be used up.
    public func begin(_ batch: Batch) throws(SQLError) {
        guard batch.columns.count == cells.count else {
            throw SQLError(.internalError, "a batch of \(batch.columns.count) columns for \(cells.count) fields")
        }
        sources.removeAll(keepingCapacity: true)
        for (index, column) in batch.columns.enumerated() {
            let made = cells[index]
            try made.fill(
                column, rows: batch.rows, formats[index], fourBytes: fourBytes[index], zone: zone)
            let views = made.isDirect ? column.storage.pointer(StringView.self) : nil
            sources.append(Source(bytes: made.bytes, offsets: made.offsets, views: views))
        }
        self.batch = batch
        next = 0
    }

    /// Passes over rows; returns how many there were.
    public func skip(_ rowsMax: Int) -> Int {
        let rows = min(rowsMax, rowsLeft)
        advance(rows)
        return rows
    }

    /// Gives the next rows away as a batch, for another encoder.
    public func take(_ rowsMax: Int) -> Batch? {
        let rows = min(rowsMax, rowsLeft)
        guard let batch, rows > 0 else { return nil }
        let part = Batch(batch.columns.map { Gather.slice($0, from: next, count: rows) }, rows: rows)
        advance(rows)
        return part
    }

    private func advance(_ rows: Int) {
        next += rows
        guard let batch, next >= batch.rows else { return }
        self.batch = nil
        next = 0
    }

    /// Appends DataRow messages until a number of rows is reached, the buffer holds `bytesMax` bytes or the batch is
    /// used up; returns the rows appended.
    public func encode(into buffer: WireBuffer, rowsMax: Int, bytesMax: Int) throws(SQLError) -> Int {
        guard let batch else { return 0 }
        let start = next
        let end = rowsMax >= batch.rows - next ? batch.rows : next + rowsMax
        try withExtendedLifetime(batch) { () throws(SQLError) -> Void in
            try put(rowsUpTo: end, into: buffer, bytesMax: bytesMax)
        }
        let rows = next - start
        if next == batch.rows {
            self.batch = nil
            next = 0
        }
        return rows
    }

    private func put(rowsUpTo end: Int, into buffer: WireBuffer, bytesMax: Int) throws(SQLError) {
        let columns = sources.count
        var row = next
        var isTooLong = false
        // Type and length, the length comes when it is known.
        let headBytes = kind == nil ? 0 : 5
        sources.withUnsafeBufferPointer { sources in
            while row < end, buffer.count < bytesMax {
                let begin = buffer.count
                var at = buffer.reserve(headBytes &+ 2)
                if let kind { at[0] = kind }
                (at + headBytes).storeBig(UInt16(truncatingIfNeeded: columns))
                buffer.advance(headBytes &+ 2)
                var column = 0
                while column < columns {
                    let source = sources[column]
                    let offset = source.offsets[row]
                    if let views = source.views {
                        if offset < 0 {
                            buffer.reserve(4).storeBig(Int32(-1))
                            buffer.advance(4)
                        } else {
                            let view = views[offset]
                            let length = view.count
                            at = buffer.reserve(4 &+ length)
                            at.storeBig(Int32(truncatingIfNeeded: length))
                            view.copy(to: UnsafeMutableRawPointer(at + 4))
                            buffer.advance(4 &+ length)
                        }
                    } else {
                        let cell = source.bytes + offset
                        let head = Int32(bigEndian: UnsafeRawPointer(cell).loadUnaligned(as: Int32.self))
                        let length = 4 &+ Int(max(0, head))
                        at = buffer.reserve(length)
                        memcpy(at, cell, length)
                        buffer.advance(length)
                    }
                    column &+= 1
                }
                let length = buffer.count &- begin &- 1
                guard length <= RowEncoder.rowBytesMax else {
                    buffer.truncate(to: begin)
                    isTooLong = true
                    return
                }
                if kind != nil { (buffer.base + (begin &+ 1)).storeBig(UInt32(truncatingIfNeeded: length)) }
                row &+= 1
            }
        }
        next = row
        if isTooLong { throw SQLError(.programLimitExceeded, "a row does not fit into one message of 1 GB") }
    }
}
