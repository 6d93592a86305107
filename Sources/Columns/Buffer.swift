// Raw memory of columns. Hot: a `final class` with `let` fields, so that loops hoist the pointer.

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif
/// Reference-counted memory. Written by its one maker, then only read.
public final class Buffer: @unchecked Sendable {
    // Sendable: the maker hands a buffer over only after its last write.

    /// The first byte, at least 16-byte aligned.
    public let base: UnsafeMutableRawPointer
    /// Usable bytes. ``slack`` more may be read or written past the end by wide loops.
    public let capacity: Int
    /// Keeps foreign memory alive when the buffer only points into it.
    private let owner: AnyObject?

    /// Bytes past the capacity that wide loads and stores may touch.
    public static let slack = 64

    private static let hugeMin = 8 << 20
    private static let hugePage = 2 << 20

    /// Allocates memory of undefined content.
    public init(bytes: Int) {
        capacity = bytes
        // Big buffers lie on huge pages: fewer faults when they are filled, fewer TLB misses when rows are gathered.
        let isHuge = bytes >= Buffer.hugeMin
        base = UnsafeMutableRawPointer.allocate(
            byteCount: bytes + Buffer.slack, alignment: isHuge ? Buffer.hugePage : 16)
        if isHuge { madvise(base, (bytes + Buffer.slack) & ~(Buffer.hugePage - 1), MADV_HUGEPAGE) }
        owner = nil
    }

    /// Allocates room for `count` values of a type.
    public convenience init<T>(count: Int, of: T.Type) { self.init(bytes: count * MemoryLayout<T>.stride) }

    /// Points into memory that `owner` keeps alive. There is no slack.
    public init(base: UnsafeRawPointer, bytes: Int, owner: AnyObject) {
        self.base = UnsafeMutableRawPointer(mutating: base)
        capacity = bytes
        self.owner = owner
    }

    deinit { if owner == nil { base.deallocate() } }

    /// The memory as values of a trivial type.
    @inlinable @inline(__always)
    public func pointer<T>(_ type: T.Type) -> UnsafeMutablePointer<T> { base.assumingMemoryBound(to: type) }

    /// Sets every byte.
    public func fill(_ byte: UInt8) { memset(base, Int32(byte), capacity) }
}

/// Validity bitmaps: bit i of word i / 64 is 1 when row i is not NULL.
public enum Bitmap {
    /// Words needed for a number of rows.
    @inlinable @inline(__always)
    public static func words(_ rows: Int) -> Int { (rows &+ 63) &>> 6 }

    /// Makes a bitmap with every bit set or clear.
    public static func make(_ rows: Int, all value: Bool) -> Buffer {
        let buffer = Buffer(bytes: words(rows) * 8)
        buffer.fill(value ? 0xff : 0)
        return buffer
    }

    @inlinable @inline(__always)
    public static func get(_ bits: UnsafePointer<UInt64>, _ row: Int) -> Bool {
        (bits[row &>> 6] &>> UInt64(truncatingIfNeeded: row & 63)) & 1 != 0
    }

    @inlinable @inline(__always)
    public static func set(_ bits: UnsafeMutablePointer<UInt64>, _ row: Int) {
        bits[row &>> 6] |= 1 &<< UInt64(truncatingIfNeeded: row & 63)
    }

    @inlinable @inline(__always)
    public static func clear(_ bits: UnsafeMutablePointer<UInt64>, _ row: Int) {
        bits[row &>> 6] &= ~(1 &<< UInt64(truncatingIfNeeded: row & 63))
    }

    /// Counts the set bits of the first `rows` rows.
    public static func count(_ bits: UnsafePointer<UInt64>, _ rows: Int) -> Int {
        var total = 0
        let full = rows >> 6
        for word in 0..<full { total &+= bits[word].nonzeroBitCount }
        if rows & 63 != 0 { total &+= (bits[full] & ((1 << UInt64(rows & 63)) - 1)).nonzeroBitCount }
        return total
    }

    /// Returns the rows valid in both; nil means all rows are valid.
    public static func and(_ left: Buffer?, _ right: Buffer?, _ rows: Int) -> Buffer? {
        guard let left else { return right }
        guard let right else { return left }
        let n = words(rows)
        let result = Buffer(bytes: n * 8)
        let (a, b, o) = (left.pointer(UInt64.self), right.pointer(UInt64.self), result.pointer(UInt64.self))
        for word in 0..<n { o[word] = a[word] & b[word] }
        return result
    }
}
