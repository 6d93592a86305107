// The RLE / bit-packing hybrid: dictionary codes, levels, booleans. Hot.
// (Parquet specification, Encodings.md, RLE.) The bytes must have 8 readable bytes behind their end.

import Columns

/// A cursor over runs of equal or bit-packed values.
struct HybridReader {
    private var at: UnsafeRawPointer
    private let end: UnsafeRawPointer
    private let width: Int
    /// Values left in the current run.
    private var left = 0
    /// The value of a run of equal values.
    private var value: UInt32 = 0
    /// The start of a bit-packed run; nil in a run of equal values.
    private var packed: UnsafeRawPointer?
    /// Values taken from the bit-packed run.
    private var taken = 0

    init(_ start: UnsafeRawPointer, count: Int, width: Int) {
        at = start
        end = start + count
        self.width = width
    }

    /// Goes on to the next run; false when there is none or it is damaged.
    private mutating func nextRun() -> Bool {
        repeat {
            var header: UInt64 = 0
            var shift: UInt64 = 0
            while true {
                guard at < end, shift < 35 else { return false }
                let byte = at.load(as: UInt8.self)
                at += 1
                header |= UInt64(byte & 0x7f) &<< shift
                if byte < 0x80 { break }
                shift &+= 7
            }
            if header & 1 != 0 {
                // Groups of 8. Some writers cut the last run's padding off.
                let groups = Int(header &>> 1)
                let bytes = min(groups &* width, end - at)
                packed = at
                taken = 0
                left = width == 0 ? groups &* 8 : bytes &* 8 / width
                at += bytes
            } else {
                left = Int(header &>> 1)
                packed = nil
                let bytes = (width &+ 7) &>> 3
                guard end - at >= bytes else { return false }
                value = 0
                for index in 0..<bytes {
                    value |=
                        UInt32(at.load(fromByteOffset: index, as: UInt8.self))
                        &<< UInt32(truncatingIfNeeded: index &* 8)
                }
                at += bytes
            }
        } while left == 0
        return true
    }

    /// Takes `n` values; false when there are fewer.
    mutating func read(_ n: Int, to output: UnsafeMutablePointer<UInt32>) -> Bool {
        var out = output
        var rest = n
        while rest > 0 {
            if left == 0, !nextRun() { return false }
            let count = min(rest, left)
            if let packed {
                unpack(packed, count, out)
                taken &+= count
            } else {
                out.update(repeating: value, count: count)
            }
            left &-= count
            rest &-= count
            out += count
        }
        return true
    }

    @inline(__always)
    private func unpack(_ packed: UnsafeRawPointer, _ n: Int, _ output: UnsafeMutablePointer<UInt32>) {
        var index = taken
        let stop = taken &+ n
        var out = output
        while index < stop, index & 7 != 0 {
            out[0] = BitUnpack.value(packed, at: index, width: width)
            out += 1
            index &+= 1
        }
        let groups = (stop &- index) &>> 3
        if groups > 0 {
            BitUnpack.unpack(packed + (index &>> 3) &* width, groups: groups, width: width, to: out)
            out += groups &* 8
            index &+= groups &* 8
        }
        while index < stop {
            out[0] = BitUnpack.value(packed, at: index, width: width)
            out += 1
            index &+= 1
        }
    }

    /// Takes the values at ascending places among the next `n` values and skips the others; false when there are fewer.
    mutating func read(
        _ n: Int, at places: UnsafePointer<Int32>, _ count: Int, minus base: Int32,
        to output: UnsafeMutablePointer<UInt32>
    ) -> Bool {
        var done = 0
        var next = 0
        while done < n {
            if left == 0, !nextRun() { return false }
            let step = min(n &- done, left)
            let stop = Int32(truncatingIfNeeded: done &+ step) &+ base
            if let packed {
                let shift = taken &- done &- Int(base)
                while next < count, places[next] < stop {
                    output[next] = BitUnpack.value(packed, at: Int(places[next]) &+ shift, width: width)
                    next &+= 1
                }
                taken &+= step
            } else {
                while next < count, places[next] < stop {
                    output[next] = value
                    next &+= 1
                }
            }
            left &-= step
            done &+= step
        }
        return true
    }

    /// Skips `n` values; false when there are fewer.
    mutating func skip(_ n: Int) -> Bool {
        var rest = n
        while rest > 0 {
            if left == 0, !nextRun() { return false }
            let count = min(rest, left)
            if packed != nil { taken &+= count }
            left &-= count
            rest &-= count
        }
        return true
    }

    /// Takes `n` levels of 0 or 1 as bits. Returns how many are 1; nil when there are fewer levels or greater ones.
    /// `bits` must be zero.
    mutating func readBits(_ n: Int, to bits: UnsafeMutablePointer<UInt64>) -> Int? {
        var done = 0
        var ones = 0
        while done < n {
            if left == 0, !nextRun() { return nil }
            let count = min(n &- done, left)
            if let packed {
                ones &+= BitCopy.copy(packed, from: taken, count, to: bits, at: done)
                taken &+= count
            } else if value == 1 {
                BitCopy.set(bits, at: done, count)
                ones &+= count
            } else if value != 0 {
                return nil
            }
            left &-= count
            done &+= count
        }
        return ones
    }
}

/// Moving runs of bits.
enum BitCopy {
    /// Sets `count` bits from bit `at` on.
    static func set(_ bits: UnsafeMutablePointer<UInt64>, at: Int, _ count: Int) {
        var bit = at
        let stop = at &+ count
        while bit < stop {
            let offset = bit & 63
            let take = min(64 &- offset, stop &- bit)
            bits[bit &>> 6] |= (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- take)) &<< UInt64(offset)
            bit &+= take
        }
    }

    /// Copies `count` bits to zeroed memory; returns how many are 1. 8 bytes behind the source may be read.
    @discardableResult
    static func copy(
        _ source: UnsafeRawPointer, from: Int, _ count: Int, to bits: UnsafeMutablePointer<UInt64>, at: Int
    ) -> Int {
        var done = 0
        var ones = 0
        while done < count {
            let offset = (at &+ done) & 63
            // A load at a byte gives at least 57 bits.
            let take = min(64 &- offset, count &- done, 57)
            let word = self.word(source, from &+ done) & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- take))
            bits[(at &+ done) &>> 6] |= word &<< UInt64(offset)
            ones &+= word.nonzeroBitCount
            done &+= take
        }
        return ones
    }

    /// The bits from `bit` on: 57 at least.
    @inline(__always)
    private static func word(_ source: UnsafeRawPointer, _ bit: Int) -> UInt64 {
        source.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self) &>> UInt64(truncatingIfNeeded: bit & 7)
    }

    /// The `count` bits, 57 at most, from bit `at` on. 8 bytes behind the source may be read.
    @inline(__always)
    static func bits(_ source: UnsafePointer<UInt64>, at: Int, _ count: Int) -> UInt64 {
        word(UnsafeRawPointer(source), at) & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- count))
    }

    /// Counts the 1 bits of `count` bits from bit `at` on.
    static func ones(_ bits: UnsafePointer<UInt64>, at: Int, _ count: Int) -> Int {
        var bit = at
        let stop = at &+ count
        var total = 0
        while bit < stop {
            let offset = bit & 63
            let take = min(64 &- offset, stop &- bit)
            let word = (bits[bit &>> 6] &>> UInt64(offset)) & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- take))
            total &+= word.nonzeroBitCount
            bit &+= take
        }
        return total
    }
}
