// Owned, immutable memory: what a read gives and what a write takes.
// Slices share the memory of their origin, so one request can serve several ranges without a copy.

public import Diagnostics
import Foundation

/// A block of memory that never changes once it is handed out.
///
/// The pointer is valid as long as the object lives: keep the object, not the pointer.
public final class Bytes: @unchecked Sendable {
    /// The first byte. Never nil, even when `count` is 0.
    public let base: UnsafeRawPointer
    /// The number of bytes that may be read from `base`.
    public let count: Int

    private enum Ownership {
        case allocated
        case borrowed(Bytes)
        case custom(@Sendable () -> Void)
    }
    private let ownership: Ownership

    /// Alignment of memory that this class allocates: a cache line, and enough for any SIMD load.
    public static let alignment = 64
    /// The largest single block, so that a corrupt length cannot take the whole machine's memory.
    public static let countMax = 1 << 34

    /// Allocates `capacity` bytes and lets `fill` write them; `fill` returns how many it wrote.
    public init(
        capacity: Int, fill: (UnsafeMutableRawBufferPointer) throws(SQLError) -> Int
    ) throws(SQLError) {
        let memory = try Bytes.allocate(capacity)
        do throws(SQLError) {
            let written = try fill(UnsafeMutableRawBufferPointer(start: memory, count: capacity))
            guard written >= 0, written <= capacity else {
                throw SQLError(.internalError, "wrote \(written) bytes into a block of \(capacity)")
            }
            base = UnsafeRawPointer(memory)
            count = written
            ownership = .allocated
        } catch {
            free(memory)
            throw error
        }
    }

    /// Copies an array.
    public init(_ array: [UInt8]) {
        count = array.count
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(array.count, 1), alignment: 1)
        array.withUnsafeBytes { source in
            if let start = source.baseAddress, source.count > 0 {
                memory.copyMemory(from: start, byteCount: source.count)
            }
        }
        base = UnsafeRawPointer(memory)
        ownership = .custom { [address = UInt(bitPattern: memory)] in
            UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        }
    }

    /// Copies the UTF-8 of a string.
    public convenience init(_ text: String) { self.init(Array(text.utf8)) }

    /// Takes over memory that came from elsewhere (malloc, mmap); `deallocator` runs when the last user is gone.
    public init(adopting base: UnsafeRawPointer, count: Int, deallocator: @escaping @Sendable () -> Void) {
        self.base = base
        self.count = count
        ownership = .custom(deallocator)
    }

    /// Shares the memory of `origin`, which must hold `range`.
    private init(borrowing origin: Bytes, _ range: Range<Int>) {
        base = origin.base + range.lowerBound
        count = range.count
        ownership = .borrowed(origin)
    }

    /// Allocates without filling: stores write through `mutableBase` before anybody else sees the object.
    init(unfilled count: Int) throws(SQLError) {
        base = UnsafeRawPointer(try Bytes.allocate(count))
        self.count = count
        ownership = .allocated
    }

    /// No bytes at all.
    public static let empty = Bytes([])

    deinit {
        switch ownership {
        case .allocated: free(UnsafeMutableRawPointer(mutating: base))
        case .borrowed: break
        case .custom(let deallocator): deallocator()
        }
    }

    /// The same memory for the store that is still filling it.
    var mutableBase: UnsafeMutableRawPointer { UnsafeMutableRawPointer(mutating: base) }

    /// Calls `body` with the bytes; the object lives at least until it returns.
    @inlinable
    public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// A part of these bytes without a copy. The range is cut to what is there.
    public func slice(_ range: Range<Int>) -> Bytes {
        let lower = min(max(range.lowerBound, 0), count)
        let upper = min(max(range.upperBound, lower), count)
        if lower == 0, upper == count { return self }
        if case .borrowed(let origin) = ownership {
            let shift = base - origin.base
            return Bytes(borrowing: origin, lower + shift..<upper + shift)
        }
        return Bytes(borrowing: self, lower..<upper)
    }

    /// A copy as an array.
    public var array: [UInt8] { withBytes { Array($0) } }

    /// A copy as text; bytes that are not UTF-8 become U+FFFD.
    public var text: String { withBytes { String(decoding: $0, as: UTF8.self) } }

    private static func allocate(_ count: Int) throws(SQLError) -> UnsafeMutableRawPointer {
        guard count >= 0, count <= countMax else {
            throw SQLError(.programLimitExceeded, "a block of \(count) bytes is too large")
        }
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, alignment, max(count, 1)) == 0, let memory else {
            throw SQLError(.outOfMemory, "out of memory", detail: "Failed on request of size \(count).")
        }
        return memory
    }
}
