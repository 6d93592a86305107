// PLAIN byte arrays: a length, then the bytes, one after the other. Hot.

import Columns

/// A cursor over PLAIN byte arrays. The bytes must have 16 readable bytes behind their end.
struct PlainBytes {
    private var at: UnsafeRawPointer
    private let end: UnsafeRawPointer

    init(_ start: UnsafeRawPointer, count: Int) {
        at = start
        end = start + count
    }

    /// A view of bytes behind which 16 more may be read.
    @inline(__always)
    static func view(_ bytes: UnsafeRawPointer, _ count: Int) -> StringView {
        let low = UInt64(bytes.loadUnaligned(as: UInt32.self))
        if count > StringView.inlineMax {
            return StringView(
                head: UInt64(truncatingIfNeeded: count) | low &<< 32, tail: UInt64(UInt(bitPattern: bytes)))
        }
        // Masks instead of a branch for every length.
        let high = bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self)
        let first = UInt64(truncatingIfNeeded: min(count, 4) &* 8)
        let rest = UInt64(truncatingIfNeeded: max(count &- 4, 0) &* 8)
        let lowMask = (1 &<< first) &- 1 as UInt64
        let highMask = rest == 0 ? 0 : UInt64.max &>> (64 &- rest)
        return StringView(head: UInt64(truncatingIfNeeded: count) | (low & lowMask) &<< 32, tail: high & highMask)
    }

    /// Takes `n` values; false when there are fewer.
    mutating func read(_ n: Int, to views: UnsafeMutablePointer<StringView>) -> Bool {
        var p = at
        for row in 0..<n {
            guard end - p >= 4 else { return false }
            let count = Int(p.loadUnaligned(as: UInt32.self))
            p += 4
            guard count <= end - p, count <= StringView.lengthMax else { return false }
            views[row] = PlainBytes.view(p, count)
            p += count
        }
        at = p
        return true
    }

    /// Skips `n` values; false when there are fewer.
    mutating func skip(_ n: Int) -> Bool {
        var p = at
        for _ in 0..<n {
            guard end - p >= 4 else { return false }
            let count = Int(p.loadUnaligned(as: UInt32.self))
            p += 4
            guard count <= end - p else { return false }
            p += count
        }
        at = p
        return true
    }

    /// Takes the values at ascending places among the next `n` and skips the others; false when there are fewer.
    mutating func read(
        _ n: Int, at places: UnsafePointer<Int32>, _ count: Int, minus base: Int32,
        to views: UnsafeMutablePointer<StringView>
    ) -> Bool {
        var done = 0
        for next in 0..<count {
            let place = Int(places[next] &- base)
            guard skip(place &- done), read(1, to: views + next) else { return false }
            done = place &+ 1
        }
        return skip(n &- done)
    }

    /// Whether all of `n` views hold UTF-8.
    static func areText(_ views: UnsafePointer<StringView>, _ n: Int) -> Bool {
        for row in 0..<n {
            let isValid = views[row].withBytes { bytes in
                bytes.baseAddress.map { UTF8Check.isValid($0, bytes.count) } ?? true
            }
            if !isValid { return false }
        }
        return true
    }
}
