// The value types that columns store beside plain integers and floats. Hot.
public import Glibc

/// Text or bytes: a length and either 12 inline bytes or a 4-byte prefix and a pointer.
///
/// The bytes of a long view belong to one of the column's heaps. Bytes past the end of a short view are zero, so that
/// two short views are equal when their 16 bytes are.
@frozen
public struct StringView: @unchecked Sendable {
    // Sendable: the pointer stays valid as long as the column that holds the view.

    /// Length in bytes in the low half, the first four bytes in the high half.
    public var head: UInt64
    /// The next eight inline bytes, or the address.
    public var tail: UInt64

    /// Bytes that fit without a pointer.
    public static var inlineMax: Int { 12 }
    /// The longest string, in bytes.
    public static var lengthMax: Int { Int(Int32.max) }

    @inlinable @inline(__always)
    public init(head: UInt64, tail: UInt64) {
        self.head = head
        self.tail = tail
    }

    /// Makes a view of bytes that must stay where they are when longer than 12.
    @inlinable @inline(__always)
    public init(_ bytes: UnsafeRawPointer, _ count: Int) {
        if count <= 12 {
            var low: UInt64 = 0
            var high: UInt64 = 0
            if count >= 8 {
                low = UInt64(bytes.loadUnaligned(as: UInt32.self))
                let rest = count &- 8
                var last: UInt32 = 0
                if rest > 0 {
                    // The last four bytes overlap; shift away what was seen already.
                    last = bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
                    last = last &>> UInt32(truncatingIfNeeded: (4 &- rest) &* 8)
                }
                high = UInt64(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) | UInt64(last) &<< 32
            } else if count >= 4 {
                low = UInt64(bytes.loadUnaligned(as: UInt32.self))
                let rest = count &- 4
                if rest > 0 {
                    let last = bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
                    high = UInt64(last &>> UInt32(truncatingIfNeeded: (4 &- rest) &* 8))
                }
            } else {
                var index = 0
                while index < count {
                    low |=
                        UInt64(bytes.load(fromByteOffset: index, as: UInt8.self))
                        &<< UInt64(truncatingIfNeeded: index &* 8)
                    index &+= 1
                }
            }
            head = UInt64(truncatingIfNeeded: count) | low &<< 32
            tail = high
        } else {
            head = UInt64(truncatingIfNeeded: count) | UInt64(bytes.loadUnaligned(as: UInt32.self)) &<< 32
            tail = UInt64(UInt(bitPattern: bytes))
        }
    }

    /// Length in bytes.
    @inlinable @inline(__always)
    public var count: Int { Int(truncatingIfNeeded: head & 0xffff_ffff) }

    @inlinable @inline(__always)
    public var isInline: Bool { count <= 12 }

    /// The address of a long view's bytes.
    @inlinable @inline(__always)
    public var address: UnsafeRawPointer { UnsafeRawPointer(bitPattern: UInt(tail)).unsafelyUnwrapped }

    /// The bytes, for the length of the call.
    @inlinable @inline(__always)
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        if isInline {
            var copy = (head &>> 32 | tail &<< 32, tail &>> 32)
            return withUnsafeBytes(of: &copy) { body(UnsafeRawBufferPointer(rebasing: $0[0..<count])) }
        }
        return body(UnsafeRawBufferPointer(start: address, count: count))
    }

    /// Copies the bytes to memory with room for them.
    @inlinable @inline(__always)
    public func copy(to target: UnsafeMutableRawPointer) {
        if isInline {
            var copy = (head &>> 32 | tail &<< 32, tail &>> 32)
            _ = withUnsafeBytes(of: &copy) { memcpy(target, $0.baseAddress.unsafelyUnwrapped, count) }
        } else {
            memcpy(target, address, count)
        }
    }

    /// The text; ill-formed UTF-8 is repaired.
    public var string: String { withBytes { String(decoding: $0, as: UTF8.self) } }

    @inlinable @inline(__always)
    public static func equal(_ a: StringView, _ b: StringView) -> Bool {
        if a.head != b.head { return false }
        if a.tail == b.tail { return true }
        if a.isInline { return false }
        return memcmp(a.address, b.address, a.count) == 0
    }

    /// Orders by bytes (the C collation): negative, zero or positive.
    @inlinable @inline(__always)
    public static func compare(_ a: StringView, _ b: StringView) -> Int {
        let first = UInt32(truncatingIfNeeded: a.head &>> 32).byteSwapped
        let second = UInt32(truncatingIfNeeded: b.head &>> 32).byteSwapped
        if first != second { return first < second ? -1 : 1 }
        return compareTail(a, b)
    }

    @usableFromInline
    static func compareTail(_ a: StringView, _ b: StringView) -> Int {
        let shorter = min(a.count, b.count)
        let order = a.withBytes { x in
            b.withBytes { y in
                shorter == 0
                    ? 0 : memcmp(x.baseAddress.unsafelyUnwrapped, y.baseAddress.unsafelyUnwrapped, shorter)
            }
        }
        return order != 0 ? Int(order) : a.count - b.count
    }
}

/// A decimal number with its own scale: `mantissa / 10^scale`.
///
/// `1.50` and `1.5` are equal but print differently; kernels compare values, not bits.
@frozen
public struct Numeric: Sendable {
    /// |mantissa| < 10^38. Int128.max is infinity, Int128.min -infinity, Int128.min + 1 NaN.
    public var mantissa: Int128
    /// Fractional digits, 0...38.
    public var scale: Int32
    @usableFromInline var padding: Int32 = 0

    @inlinable @inline(__always)
    public init(_ mantissa: Int128, scale: Int) {
        self.mantissa = mantissa
        self.scale = Int32(truncatingIfNeeded: scale)
    }

    public static var nan: Numeric { Numeric(Int128.min + 1, scale: 0) }
    public static var infinity: Numeric { Numeric(Int128.max, scale: 0) }
    public static var negativeInfinity: Numeric { Numeric(Int128.min, scale: 0) }
    @inlinable public var isNaN: Bool { mantissa == Int128.min + 1 }
    /// Whether this is a number.
    @inlinable public var isFinite: Bool { mantissa < Int128.max && mantissa > Int128.min + 1 }
}

/// A span of time as PostgreSQL keeps it: three parts that do not mix.
@frozen
public struct Interval: Hashable, Sendable {
    public var months: Int32
    public var days: Int32
    public var microseconds: Int64

    @inlinable
    public init(months: Int32 = 0, days: Int32 = 0, microseconds: Int64 = 0) {
        self.months = months
        self.days = days
        self.microseconds = microseconds
    }

    /// The order-defining length: months of 30 days, days of 24 hours, as PostgreSQL compares.
    public var comparisonKey: Int128 {
        Int128(microseconds) + (Int128(months) * 30 + Int128(days)) * 86_400_000_000
    }
}

/// The elements of one list: `start..<start + count` of the child column.
@frozen
public struct ListSpan: Sendable {
    public var start: Int32
    public var count: Int32

    @inlinable
    public init(start: Int, count: Int) {
        self.start = Int32(truncatingIfNeeded: start)
        self.count = Int32(truncatingIfNeeded: count)
    }
}

/// UUIDs are stored so that signed 128-bit order is their byte order.
public enum UUIDBits {
    /// Turns 16 big-endian bytes into the stored form.
    public static func stored(_ bigEndian: UInt128) -> Int128 { Int128(bitPattern: bigEndian ^ (1 << 127)) }
    /// Turns the stored form into the 128-bit number whose big-endian bytes are the UUID.
    public static func number(_ stored: Int128) -> UInt128 { UInt128(bitPattern: stored) ^ (1 << 127) }
}
