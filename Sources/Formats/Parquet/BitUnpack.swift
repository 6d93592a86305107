// Unpacking of bit-packed integers, least significant bit first: one loop for each width. Hot.
// (Parquet specification, Encodings.md, RLE.)

import Columns

enum BitUnpack {
    /// Bytes past the packed values that may be read.
    static let slack = 8

    /// Unpacks groups of 8 values of 0 to 32 bits.
    static func unpack(
        _ from: UnsafeRawPointer, groups: Int, width: Int, to: UnsafeMutablePointer<UInt32>
    ) {
        switch width {
        case 0: to.update(repeating: 0, count: groups &* 8)
        case 1: kernel(1, from, groups, to)
        case 2: kernel(2, from, groups, to)
        case 3: kernel(3, from, groups, to)
        case 4: kernel(4, from, groups, to)
        case 5: kernel(5, from, groups, to)
        case 6: kernel(6, from, groups, to)
        case 7: kernel(7, from, groups, to)
        case 8: kernel(8, from, groups, to)
        case 9: kernel(9, from, groups, to)
        case 10: kernel(10, from, groups, to)
        case 11: kernel(11, from, groups, to)
        case 12: kernel(12, from, groups, to)
        case 13: kernel(13, from, groups, to)
        case 14: kernel(14, from, groups, to)
        case 15: kernel(15, from, groups, to)
        case 16: kernel(16, from, groups, to)
        case 17: kernel(17, from, groups, to)
        case 18: kernel(18, from, groups, to)
        case 19: kernel(19, from, groups, to)
        case 20: kernel(20, from, groups, to)
        case 21: kernel(21, from, groups, to)
        case 22: kernel(22, from, groups, to)
        case 23: kernel(23, from, groups, to)
        case 24: kernel(24, from, groups, to)
        case 25: kernel(25, from, groups, to)
        case 26: kernel(26, from, groups, to)
        case 27: kernel(27, from, groups, to)
        case 28: kernel(28, from, groups, to)
        case 29: kernel(29, from, groups, to)
        case 30: kernel(30, from, groups, to)
        case 31: kernel(31, from, groups, to)
        case 32: kernel(32, from, groups, to)
        default: break
        }
    }

    /// One value of 0 to 32 bits.
    @inline(__always)
    static func value(_ from: UnsafeRawPointer, at index: Int, width: Int) -> UInt32 {
        let bit = index &* width
        let word = from.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self)
        let mask = (1 &<< UInt64(truncatingIfNeeded: width)) &- 1 as UInt64
        return UInt32(truncatingIfNeeded: (word &>> UInt64(truncatingIfNeeded: bit & 7)) & mask)
    }

    /// One value of 0 to 64 bits.
    @inline(__always)
    static func wideValue(_ from: UnsafeRawPointer, at index: Int, width: Int) -> UInt64 {
        if width == 0 { return 0 }
        let bit = index &* width
        let shift = UInt64(truncatingIfNeeded: bit & 7)
        var word = from.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self) &>> shift
        if Int(shift) &+ width > 64 {
            word |= UInt64(from.load(fromByteOffset: (bit &>> 3) &+ 8, as: UInt8.self)) &<< (64 &- shift)
        }
        return word & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- width))
    }

    @inline(__always)
    private static func kernel(
        _ width: Int, _ from: UnsafeRawPointer, _ groups: Int, _ to: UnsafeMutablePointer<UInt32>
    ) {
        var p = from
        var o = to
        for _ in 0..<groups {
            if width <= 8 {
                let word = p.loadUnaligned(as: UInt64.self)
                o[0] = part(word, 0, width)
                o[1] = part(word, 1, width)
                o[2] = part(word, 2, width)
                o[3] = part(word, 3, width)
                o[4] = part(word, 4, width)
                o[5] = part(word, 5, width)
                o[6] = part(word, 6, width)
                o[7] = part(word, 7, width)
            } else {
                o[0] = pick(p, 0, width)
                o[1] = pick(p, 1, width)
                o[2] = pick(p, 2, width)
                o[3] = pick(p, 3, width)
                o[4] = pick(p, 4, width)
                o[5] = pick(p, 5, width)
                o[6] = pick(p, 6, width)
                o[7] = pick(p, 7, width)
            }
            p += width
            o += 8
        }
    }

    @inline(__always)
    private static func part(_ word: UInt64, _ index: Int, _ width: Int) -> UInt32 {
        let mask = (1 &<< UInt64(truncatingIfNeeded: width)) &- 1 as UInt64
        return UInt32(truncatingIfNeeded: (word &>> UInt64(truncatingIfNeeded: index &* width)) & mask)
    }

    @inline(__always)
    private static func pick(_ p: UnsafeRawPointer, _ index: Int, _ width: Int) -> UInt32 {
        let bit = index &* width
        let word = p.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self)
        let mask = (1 &<< UInt64(truncatingIfNeeded: width)) &- 1 as UInt64
        return UInt32(truncatingIfNeeded: (word &>> UInt64(truncatingIfNeeded: bit & 7)) & mask)
    }
}
