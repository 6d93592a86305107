// Bit packing, the RLE and bit-packing hybrid, and differences. Hot.
// (Parquet specification, Encodings: RLE, DELTA_BINARY_PACKED.)

import Columns

/// Packs numbers of a few bits, the lowest first.
enum BitPack {
    /// Packs 8 values of `width` bits into `width` bytes; up to 16 bytes behind may be written. The bits above `width`
    /// must be 0.
    @inline(__always)
    static func eight(_ from: UnsafePointer<UInt32>, width: Int, to output: UnsafeMutableRawPointer) {
        let w = UInt64(truncatingIfNeeded: width)
        if width <= 16 {
            let (w2, w3, w4) = (w &* 2, w &* 3, w &* 4)
            let a = four(from, w, w2, w3)
            let b = four(from + 4, w, w2, w3)
            // Shifted in two steps: 64 in one would be no shift.
            output.storeBytes(of: a | (b &<< (w4 & 63)) & (width < 16 ? ~0 : 0), as: UInt64.self)
            output.storeBytes(
                of: width < 16 ? (b &>> 1) &>> (63 &- w4) : b, toByteOffset: 8, as: UInt64.self)
            return
        }
        wide(from, width: width, to: output)
    }

    @inline(__always)
    private static func four(_ from: UnsafePointer<UInt32>, _ w: UInt64, _ w2: UInt64, _ w3: UInt64) -> UInt64 {
        UInt64(from[0]) | UInt64(from[1]) &<< w | UInt64(from[2]) &<< w2 | UInt64(from[3]) &<< w3
    }

    private static func wide(_ from: UnsafePointer<UInt32>, width: Int, to output: UnsafeMutableRawPointer) {
        var out = output
        var word: UInt64 = 0
        var bits = 0
        for index in 0..<8 {
            word |= UInt64(from[index]) &<< UInt64(truncatingIfNeeded: bits)
            bits &+= width
            if bits >= 32 {
                out.storeBytes(of: UInt32(truncatingIfNeeded: word), as: UInt32.self)
                out += 4
                word &>>= 32
                bits &-= 32
            }
        }
        if bits > 0 { out.storeBytes(of: UInt32(truncatingIfNeeded: word), as: UInt32.self) }
    }

    /// Packs 32 values of up to 64 bits into `4 * width` bytes; up to 16 bytes behind may be written.
    static func thirtyTwo(_ from: UnsafePointer<UInt64>, width: Int, to output: UnsafeMutableRawPointer) {
        var out = output
        var word: UInt64 = 0
        var bits = 0
        for index in 0..<32 {
            let value = from[index]
            word |= value &<< UInt64(truncatingIfNeeded: bits)
            bits &+= width
            if bits >= 64 {
                out.storeBytes(of: word, as: UInt64.self)
                out += 8
                bits &-= 64
                // What did not fit; a shift by all 64 bits gives nothing.
                let used = width &- bits
                word = used < 64 ? value &>> UInt64(truncatingIfNeeded: used) : 0
            }
        }
        if bits > 0 { out.storeBytes(of: word, as: UInt64.self) }
    }

    /// Bits of the largest of some numbers.
    @inline(__always)
    static func width(_ most: UInt64) -> Int { 64 &- most.leadingZeroBitCount }
}

/// Writes runs of equal codes, and codes packed by eights between them.
enum HybridWriter {
    /// A run of this length is shorter than its packed form.
    private static let runMin = 8
    /// Groups of a packed run: the length must fit the reader's 32 bits with ease.
    private static let groupsMax = 1 << 20

    /// Appends `n` codes below `1 << width`. Memory behind the last code, up to 7, is read and may be anything.
    static func write(_ codes: UnsafeMutablePointer<UInt32>, _ n: Int, width: Int, to output: OutputBuffer) {
        // The padding of the last group.
        for index in n..<(n &+ 7) & ~7 { codes[index] = 0 }
        let bytes = (width &+ 7) &>> 3
        output.reserve(n / 8 &* (width &+ 6) &+ width &+ 32)
        var at = 0
        var packedFrom = 0
        while at < n {
            let value = codes[at]
            if at &+ runMin <= n, codes[at &+ 1] == value, codes[at &+ 7] == value {
                var end = at &+ 1
                while end < n, codes[end] == value { end &+= 1 }
                if end &- at >= runMin {
                    pack(codes, packedFrom, at, width, output)
                    output.append(varint: UInt64(end &- at) &<< 1)
                    output.reserve(8)
                    output.end.storeBytes(of: value.littleEndian, as: UInt32.self)
                    output.count &+= bytes
                    at = end
                    packedFrom = end
                    continue
                }
            }
            at &+= 8
            if at &- packedFrom >= groupsMax &* 8 {
                pack(codes, packedFrom, at, width, output)
                packedFrom = at
            }
        }
        pack(codes, packedFrom, (n &- packedFrom &+ 7) & ~7 &+ packedFrom, width, output)
    }

    private static func pack(
        _ codes: UnsafeMutablePointer<UInt32>, _ from: Int, _ to: Int, _ width: Int, _ output: OutputBuffer
    ) {
        guard to > from else { return }
        let groups = (to &- from) &>> 3
        output.append(varint: UInt64(groups) &<< 1 | 1)
        output.reserve(groups &* width &+ 16)
        var out = output.end
        var values = UnsafePointer(codes + from)
        for _ in 0..<groups {
            BitPack.eight(values, width: width, to: out)
            out += width
            values += 8
        }
        output.count &+= groups &* width
    }

    /// Appends `n` levels of one bit.
    static func write(bits: UnsafePointer<UInt64>, _ n: Int, to output: OutputBuffer) {
        var at = 0
        while at < n {
            let word = bits[at &>> 6]
            if word == 0 || word == ~0 {
                // A run of words, the last one cut.
                var end = at
                while end < n, bits[end &>> 6] == word { end &+= 64 }
                end = min(end, n)
                output.append(varint: UInt64(end &- at) &<< 1)
                output.append(byte: word == 0 ? 0 : 1)
                at = end
                continue
            }
            var end = at
            while end < n, bits[end &>> 6] != 0, bits[end &>> 6] != ~0 { end &+= 64 }
            end = min(end, n)
            let bytes = (end &- at &+ 7) &>> 3
            output.append(varint: UInt64(bytes) &<< 1 | 1)
            output.append(UnsafeRawPointer(bits) + at &>> 3, bytes)
            at = end
        }
    }
}

/// Writes integers as differences, packed by blocks.
enum DeltaWriter {
    private static let blockValues = 128
    private static let miniblocks = 4

    /// Bytes that `write` would take, about.
    static func cost<T: FixedWidthInteger & SignedInteger>(_ values: UnsafePointer<T>, _ n: Int) -> Int {
        var total = 16
        var at = 1
        while at < n {
            let end = min(at &+ 32, n)
            var low = T.max
            var high = T.min
            for index in at..<end {
                let step = values[index] &- values[index &- 1]
                low = min(low, step)
                high = max(high, step)
            }
            // The smallest difference is of the block, not of the miniblock, but that changes little.
            total &+= 4 &* BitPack.width(spread(low, high)) &+ 3
            at = end
        }
        return total
    }

    @inline(__always)
    private static func spread<T: FixedWidthInteger & SignedInteger>(_ low: T, _ high: T) -> UInt64 {
        UInt64(truncatingIfNeeded: T.Magnitude(truncatingIfNeeded: high &- low))
    }

    static func write<T: FixedWidthInteger & SignedInteger>(
        _ values: UnsafePointer<T>, _ n: Int, to output: OutputBuffer
    ) {
        output.append(varint: UInt64(blockValues))
        output.append(varint: UInt64(miniblocks))
        output.append(varint: UInt64(n))
        guard n > 0 else {
            output.append(varint: 0)
            return
        }
        output.append(varint: zigzag(Int64(values[0])))
        withUnsafeTemporaryAllocation(of: T.self, capacity: blockValues) { steps in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: blockValues) { packed in
                guard let d = steps.baseAddress, let p = packed.baseAddress else { return }
                var at = 1
                while at < n {
                    let count = min(blockValues, n &- at)
                    block(values + at, count, d, p, output)
                    at &+= count
                }
            }
        }
    }

    private static func block<T: FixedWidthInteger & SignedInteger>(
        _ values: UnsafePointer<T>, _ count: Int, _ steps: UnsafeMutablePointer<T>,
        _ packed: UnsafeMutablePointer<UInt64>, _ output: OutputBuffer
    ) {
        var low = T.max
        for index in 0..<count {
            let step = values[index] &- values[index &- 1]
            steps[index] = step
            low = min(low, step)
        }
        for index in 0..<count {
            packed[index] = UInt64(truncatingIfNeeded: T.Magnitude(truncatingIfNeeded: steps[index] &- low))
        }
        for index in count..<blockValues { packed[index] = 0 }
        output.append(varint: zigzag(Int64(low)))
        output.reserve(blockValues &* 8 &+ 32)
        let widths = output.end
        output.count &+= miniblocks
        for mini in 0..<miniblocks {
            let from = packed + mini &* 32
            var all: UInt64 = 0
            for index in 0..<32 { all |= from[index] }
            let width = mini &* 32 < count ? BitPack.width(all) : 0
            widths.storeBytes(of: UInt8(truncatingIfNeeded: width), toByteOffset: mini, as: UInt8.self)
            // Miniblocks without a value have no bytes.
            if mini &* 32 < count {
                BitPack.thirtyTwo(from, width: width, to: output.end)
                output.count &+= width &* 4
            }
        }
    }

    private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value &<< 1 ^ value &>> 63) }
}
