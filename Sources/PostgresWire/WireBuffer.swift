// The bytes on their way to a client: one growing piece of memory, reused. Hot.
import Glibc

/// Grows, is handed to the socket, is emptied. One owner at a time.
public final class WireBuffer {
    /// The first byte.
    private(set) var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes written.
    public private(set) var count = 0

    /// Bytes a buffer keeps when it is emptied.
    private static let keepBytesMax = 1 << 20
    /// Bytes past the capacity that wide stores may touch.
    static let slack = 64

    public init(capacity: Int = 4096) {
        self.capacity = capacity
        base = .allocate(capacity: capacity + WireBuffer.slack)
    }

    deinit { base.deallocate() }

    /// The written bytes, for the length of the call.
    public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Forgets the written bytes, and memory that a large message needed.
    public func removeAll() {
        count = 0
        if capacity > WireBuffer.keepBytesMax { resize(4096) }
    }

    /// Forgets everything written after a point.
    func truncate(to count: Int) { self.count = min(count, self.count) }

    private func resize(_ bytes: Int) {
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes + WireBuffer.slack)
        memcpy(grown, base, count)
        base.deallocate()
        base = grown
        capacity = bytes
    }

    /// Returns where the next bytes go, with room for at least `bytes`.
    @inline(__always)
    func reserve(_ bytes: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity - count < bytes { resize(max(count + bytes, capacity * 2)) }
        return base + count
    }

    /// Counts bytes that were written at the reserved place.
    @inline(__always)
    func advance(_ bytes: Int) { count &+= bytes }

    func append(_ byte: UInt8) {
        reserve(1)[0] = byte
        count += 1
    }

    func append(_ value: UInt16) {
        UnsafeMutableRawPointer(reserve(2)).storeBytes(of: value.bigEndian, as: UInt16.self)
        count += 2
    }

    func append(_ value: UInt32) {
        UnsafeMutableRawPointer(reserve(4)).storeBytes(of: value.bigEndian, as: UInt32.self)
        count += 4
    }

    /// Appends bytes in one move.
    func append(raw bytes: UnsafeRawBufferPointer) {
        guard let from = bytes.baseAddress else { return }
        memcpy(reserve(bytes.count), from, bytes.count)
        count += bytes.count
    }

    func append<Bytes: Collection<UInt8>>(bytes: Bytes) {
        let room = reserve(bytes.count)
        var index = 0
        for byte in bytes {
            room[index] = byte
            index += 1
        }
        count += index
    }

    /// Appends text and a zero byte; zero bytes inside are dropped, for they would end it.
    func append(_ text: String) {
        append(bytes: text.utf8.contains(0) ? Array(text.utf8.filter { $0 != 0 }) : Array(text.utf8))
        append(UInt8(0))
    }

    /// Appends a message: type, length, body.
    func message(_ kind: UInt8, _ body: (WireBuffer) -> Void) {
        append(kind)
        let start = count
        append(UInt32(0))
        body(self)
        UnsafeMutableRawPointer(base + start).storeBytes(
            of: UInt32(truncatingIfNeeded: count - start).bigEndian, as: UInt32.self)
    }
}

/// Stores numbers in network order at any address.
extension UnsafeMutablePointer<UInt8> {
    @inline(__always)
    func storeBig<T: FixedWidthInteger>(_ value: T) {
        UnsafeMutableRawPointer(self).storeBytes(of: value.bigEndian, as: T.self)
    }
}
