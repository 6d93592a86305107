// The delta encodings and BYTE_STREAM_SPLIT: a page is decoded at once into values that can be read in any order. Hot.
// (Parquet specification, Encodings.md.) The input must have 16 readable bytes behind its end.

import Columns

enum DeltaDecoder {
    /// Values that a page decoded at once may have.
    static let valuesMax = 1 << 26
    /// Bytes that a page decoded at once may grow to.
    static let bytesMax = 1 << 30

    /// DELTA_BINARY_PACKED: exactly `wanted` values, of 32 or 64 bits; returns the bytes taken.
    static func integers<T: FixedWidthInteger>(
        _ input: UnsafeRawPointer, _ count: Int, wanted: Int, to output: UnsafeMutablePointer<T>,
        scratch: UnsafeMutablePointer<UInt32>
    ) throws(Damage) -> Int {
        var reader = ThriftReader(input, count: count)
        let block = try reader.varint()
        let miniblocks = try reader.varint()
        let total = try reader.varint()
        var value = UInt64(bitPattern: try reader.integer())
        guard block > 0, block <= 1 << 20, miniblocks > 0, miniblocks <= block, block % miniblocks == 0,
            block / miniblocks % 8 == 0
        else { throw Damage("a delta-encoded page has blocks of \(block) values in \(miniblocks) parts") }
        guard total >= UInt64(wanted) else {
            throw Damage("a delta-encoded page has \(total) values instead of \(wanted)")
        }
        let perMiniblock = Int(block / miniblocks)
        let all = Int(total)
        if wanted > 0 { output[0] = T(truncatingIfNeeded: value) }
        // Values beyond those wanted are passed over, so that the bytes behind them are found.
        var done = 1
        while done < all {
            let least = UInt64(bitPattern: try reader.integer())
            let widths = reader.at
            for _ in 0..<miniblocks { _ = try reader.byte() }
            for mini in 0..<Int(miniblocks) where done < all {
                let width = Int(input.load(fromByteOffset: widths + mini, as: UInt8.self))
                guard width <= 64 else { throw Damage("a delta-encoded page has deltas of \(width) bits") }
                let bytes = perMiniblock * width / 8
                let here = min(perMiniblock, all - done)
                // The last miniblock may be cut to the values that it has.
                guard (here * width + 7) / 8 <= reader.remaining else {
                    throw Damage("a delta-encoded page ends too early")
                }
                let kept = max(0, min(here, wanted - done))
                let target = output + min(done, wanted)
                add(input + reader.at, kept, width, least, &value, target, scratch)
                try reader.advance(min(bytes, reader.remaining))
                done += here
            }
        }
        return reader.at
    }

    /// Values that are unpacked at a time.
    static let step = 1024

    private static func add<T: FixedWidthInteger>(
        _ packed: UnsafeRawPointer, _ n: Int, _ width: Int, _ least: UInt64, _ value: inout UInt64,
        _ output: UnsafeMutablePointer<T>, _ scratch: UnsafeMutablePointer<UInt32>
    ) {
        var sum = value
        var start = 0
        if width <= 32 {
            // Whole groups first; the rest one by one, because nothing behind them may be read.
            while start &+ 8 <= n {
                let count = min(step, (n &- start) & ~7)
                BitUnpack.unpack(packed + start &* width / 8, groups: count &>> 3, width: width, to: scratch)
                for index in 0..<count {
                    sum = sum &+ least &+ UInt64(scratch[index])
                    output[start &+ index] = T(truncatingIfNeeded: sum)
                }
                start &+= count
            }
        }
        while start < n {
            sum = sum &+ least &+ BitUnpack.wideValue(packed, at: start, width: width)
            output[start] = T(truncatingIfNeeded: sum)
            start &+= 1
        }
        value = sum
    }

    /// DELTA_LENGTH_BYTE_ARRAY: views into the input.
    static func lengthPrefixed(
        _ input: UnsafeRawPointer, _ count: Int, wanted: Int, to views: UnsafeMutablePointer<StringView>,
        scratch: UnsafeMutablePointer<UInt32>
    ) throws(Damage) {
        let lengths = Buffer(count: wanted, of: Int32.self)
        let l = lengths.pointer(Int32.self)
        var at = try integers(input, count, wanted: wanted, to: l, scratch: scratch)
        for row in 0..<wanted {
            let length = Int(l[row])
            guard length >= 0, length <= count - at else { throw Damage("a string is longer than its page") }
            views[row] = PlainBytes.view(input + at, length)
            at += length
        }
    }

    /// DELTA_BYTE_ARRAY: every value starts with a part of the one before it. Returns the memory that holds them.
    static func frontCoded(
        _ input: UnsafeRawPointer, _ count: Int, wanted: Int, to views: UnsafeMutablePointer<StringView>,
        scratch: UnsafeMutablePointer<UInt32>
    ) throws(Damage) -> Buffer {
        let lengths = Buffer(count: wanted * 2, of: Int32.self)
        let prefixes = lengths.pointer(Int32.self)
        let suffixes = prefixes + wanted
        var at = try integers(input, count, wanted: wanted, to: prefixes, scratch: scratch)
        at += try integers(input + at, count - at, wanted: wanted, to: suffixes, scratch: scratch)
        var total = 0
        var previous = 0
        for row in 0..<wanted {
            let (prefix, suffix) = (Int(prefixes[row]), Int(suffixes[row]))
            guard prefix >= 0, suffix >= 0, prefix <= previous, suffix <= bytesMax else {
                throw Damage("a front-coded string has invalid lengths")
            }
            previous = prefix + suffix
            total += previous
            guard total <= bytesMax else { throw Damage("a page of strings grows beyond \(bytesMax) bytes") }
        }
        let heap = Buffer(bytes: total)
        var target = heap.base
        var last = heap.base
        for row in 0..<wanted {
            let (prefix, suffix) = (Int(prefixes[row]), Int(suffixes[row]))
            guard suffix <= count - at else { throw Damage("a string is longer than its page") }
            target.copyMemory(from: last, byteCount: prefix)
            (target + prefix).copyMemory(from: input + at, byteCount: suffix)
            views[row] = PlainBytes.view(target, prefix + suffix)
            last = target
            target += prefix + suffix
            at += suffix
        }
        return heap
    }

    /// BYTE_STREAM_SPLIT: the first bytes of all values, then the second bytes and so on.
    static func joinStreams(
        _ input: UnsafeRawPointer, _ values: Int, width: Int, to output: UnsafeMutableRawPointer
    ) {
        let p = input.assumingMemoryBound(to: UInt8.self)
        switch width {
        case 4:
            let target = output.assumingMemoryBound(to: UInt32.self)
            for row in 0..<values {
                let low = UInt32(p[row]) | UInt32(p[values &+ row]) &<< 8
                target[row] = low | UInt32(p[2 &* values &+ row]) &<< 16 | UInt32(p[3 &* values &+ row]) &<< 24
            }
        default:
            let target = output.assumingMemoryBound(to: UInt8.self)
            for byte in 0..<width {
                let stream = p + byte &* values
                for row in 0..<values { target[row &* width &+ byte] = stream[row] }
            }
        }
    }
}
