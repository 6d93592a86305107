// Memory that grows: staged values, page bodies, the pages of a chunk. Hot.

import Columns
import Glibc
import Storage

/// Bytes being written. One owner thread.
final class OutputBuffer {
    /// Room behind the reserved bytes that wide stores may touch.
    static let slack = 64

    private(set) var base: UnsafeMutableRawPointer
    private(set) var capacity: Int
    /// Bytes written.
    var count = 0

    init(_ bytes: Int = 4096) {
        capacity = max(bytes, 64)
        base = OutputBuffer.allocate(capacity + OutputBuffer.slack)
    }

    deinit { free(base) }

    /// Makes room for more bytes behind `count`.
    @inline(__always)
    func reserve(_ more: Int) {
        if more > capacity &- count { grow(more) }
    }

    @inline(never)
    private func grow(_ more: Int) {
        let wanted = max(count + more, capacity + capacity / 2)
        // No memory left is beyond what a worker can answer; the allocator of the language ends the process too.
        guard let grown = realloc(base, wanted + OutputBuffer.slack) else { preconditionFailure("out of memory") }
        base = grown
        capacity = wanted
    }

    private static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard let made = malloc(bytes) else { preconditionFailure("out of memory") }
        return made
    }

    /// The end of what is written.
    @inline(__always)
    var end: UnsafeMutableRawPointer { base + count }

    func append(_ from: UnsafeRawPointer, _ bytes: Int) {
        reserve(bytes)
        memcpy(end, from, bytes)
        count &+= bytes
    }

    func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { if let from = $0.baseAddress { append(from, $0.count) } }
    }

    func append(byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    func append(varint value: UInt64) {
        reserve(10)
        var rest = value
        while rest >= 0x80 {
            base.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
            count &+= 1
            rest &>>= 7
        }
        base.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    func append(littleEndian value: UInt32) {
        reserve(4)
        base.storeBytes(of: value.littleEndian, toByteOffset: count, as: UInt32.self)
        count &+= 4
    }

    /// Hands the bytes over; the buffer is empty afterwards.
    func take() -> Bytes {
        let address = UInt(bitPattern: realloc(base, max(count, 1)) ?? base)
        let taken = Bytes(
            adopting: UnsafeRawPointer(bitPattern: address).unsafelyUnwrapped, count: count,
            deallocator: { free(UnsafeMutableRawPointer(bitPattern: address)) })
        count = 0
        capacity = 64
        base = OutputBuffer.allocate(capacity + OutputBuffer.slack)
        return taken
    }
}
