// Rows in motion: columns of equal length, and the two stream protocols that carry them.
public import Diagnostics

/// Rows, column by column. All columns have `rows` rows.
public struct Batch: Sendable {
    public var columns: [Column]
    public var rows: Int

    /// Rows that operators exchange at a time.
    public static let rowsMax = 2048

    public init(_ columns: [Column], rows: Int) {
        self.columns = columns
        self.rows = rows
    }
}

/// Ascending row numbers of a batch that passed a filter.
public final class Selection: @unchecked Sendable {
    // Sendable: read-only once its maker hands it over.

    public let buffer: Buffer
    /// Selected rows.
    public let count: Int

    /// Takes Int32 row numbers.
    public init(_ buffer: Buffer, count: Int) {
        self.buffer = buffer
        self.count = count
    }

    @inlinable @inline(__always)
    public var rows: UnsafePointer<Int32> { UnsafePointer(buffer.pointer(Int32.self)) }
}

/// Rows out. One owner thread at a time, so no Sendable and no async.
public protocol BatchSource: AnyObject {
    /// Returns the next batch of at most ``Batch/rowsMax`` rows, nil at the end.
    func next() throws(SQLError) -> Batch?
}

/// Rows in.
public protocol BatchSink: AnyObject {
    func push(_ batch: Batch) throws(SQLError)
    func finish() throws(SQLError)
}

/// A filter that a source applies in stages, so that it reads later columns only where rows survive.
///
/// One owner thread at a time.
public protocol BatchFilter: AnyObject {
    /// For each stage, the columns (indexes into the source's output) that it looks at.
    var stages: [[Int]] { get }
    /// Returns the rows that pass a stage: nil when all do. `columns` has the source's output width; only those of this
    /// and earlier stages are set, all with `rows` rows.
    func select(stage: Int, _ columns: [Column?], rows: Int) throws(SQLError) -> Selection?
}
