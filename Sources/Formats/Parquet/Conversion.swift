// Stored values to SQL values: one loop for each form, over PLAIN values. Hot.
// (Parquet specification, LogicalTypes.md.)

import Columns

enum Conversion {
    /// The largest number of bytes of a decimal that fits Int128 without a look at its sign bytes.
    private static let decimalBytesMax = 16

    /// Converts `n` fixed-width PLAIN values; false when one does not fit the target type.
    static func convert(
        _ from: UnsafeRawPointer, _ n: Int, _ leaf: Leaf, to output: UnsafeMutableRawPointer
    ) -> Bool {
        switch leaf.form {
        case .int32, .float: output.copyMemory(from: from, byteCount: n &* 4)
        case .int64, .double: output.copyMemory(from: from, byteCount: n &* 8)
        case .int32ToInt16: each(from, output, n) { (value: Int32) in Int16(truncatingIfNeeded: value) }
        case .int32ToInt64: each(from, output, n) { (value: Int32) in Int64(value) }
        case .uint32ToInt64: each(from, output, n) { (value: UInt32) in Int64(value) }
        case .int32Millis: each(from, output, n) { (value: Int32) in Int64(value) &* 1000 }
        case .int64Nanos: each(from, output, n) { (value: Int64) in floorDivide(value, 1000) }
        case .int64ToInt128: each(from, output, n) { (value: Int64) in Int128(value) }
        case .uint64ToInt128: each(from, output, n) { (value: UInt64) in Int128(value) }
        case .float16: each(from, output, n) { (value: UInt16) in half(value) }
        case .uuid: each(from, output, n) { (value: UInt128) in UUIDBits.stored(UInt128(bigEndian: value)) }
        case .int64Millis: return millis(from, n, output)
        case .int96: int96(from, n, output)
        case .interval: intervals(from, n, output)
        case .decimalToInt64, .decimalToInt128: return decimals(from, n, leaf, output)
        case .text, .bytes:
            let views = output.assumingMemoryBound(to: StringView.self)
            let width = leaf.length
            for row in 0..<n { views[row] = StringView(from + row &* width, width) }
        case .bool: break
        }
        return true
    }

    @inline(__always)
    private static func each<In: BitwiseCopyable, Out: BitwiseCopyable>(
        _ from: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, _ n: Int, _ body: (In) -> Out
    ) {
        let target = output.assumingMemoryBound(to: Out.self)
        for row in 0..<n {
            target[row] = body(from.loadUnaligned(fromByteOffset: row &* MemoryLayout<In>.size, as: In.self))
        }
    }

    private static func millis(_ from: UnsafeRawPointer, _ n: Int, _ output: UnsafeMutableRawPointer) -> Bool {
        let target = output.assumingMemoryBound(to: Int64.self)
        let limit = Int64.max / 1000
        var isOutside = false
        for row in 0..<n {
            let value = from.loadUnaligned(fromByteOffset: row &* 8, as: Int64.self)
            isOutside = isOutside || value > limit || value < -limit
            target[row] = value &* 1000
        }
        return !isOutside
    }

    /// Nanoseconds of the day, then the Julian day (2,440,588 is 1970-01-01).
    ///
    /// Wrapping is meant: Spark writes years near 290000 with a day and nanoseconds that overflow, and reads them so.
    private static func int96(_ from: UnsafeRawPointer, _ n: Int, _ output: UnsafeMutableRawPointer) {
        let target = output.assumingMemoryBound(to: Int64.self)
        for row in 0..<n {
            let nanos = from.loadUnaligned(fromByteOffset: row &* 12, as: Int64.self)
            let day = Int64(from.loadUnaligned(fromByteOffset: row &* 12 &+ 8, as: Int32.self)) &- 2_440_588
            target[row] = day &* 86_400_000_000 &+ floorDivide(nanos, 1000)
        }
    }

    /// Months, days, milliseconds: unsigned.
    private static func intervals(_ from: UnsafeRawPointer, _ n: Int, _ output: UnsafeMutableRawPointer) {
        let target = output.assumingMemoryBound(to: Interval.self)
        for row in 0..<n {
            let at = from + row &* 12
            target[row] = Interval(
                months: Int32(bitPattern: at.loadUnaligned(as: UInt32.self)),
                days: Int32(bitPattern: at.loadUnaligned(fromByteOffset: 4, as: UInt32.self)),
                microseconds: Int64(at.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) &* 1000)
        }
    }

    private static func decimals(
        _ from: UnsafeRawPointer, _ n: Int, _ leaf: Leaf, _ output: UnsafeMutableRawPointer
    ) -> Bool {
        let width = leaf.length
        if leaf.form == .decimalToInt64, width <= 8 {
            let target = output.assumingMemoryBound(to: Int64.self)
            for row in 0..<n { target[row] = shortBigEndian(from + row &* width, width) }
            return true
        }
        var isRight = true
        for row in 0..<n { isRight = store(from + row &* width, width, leaf.form, output, row) && isRight }
        return isRight
    }

    /// Stores one decimal of any length; false when it does not fit.
    @inline(__always)
    static func store(
        _ bytes: UnsafeRawPointer, _ count: Int, _ form: ValueForm, _ output: UnsafeMutableRawPointer, _ row: Int
    ) -> Bool {
        guard let value = bigEndian(bytes, count) else { return false }
        if form == .decimalToInt128 {
            output.assumingMemoryBound(to: Int128.self)[row] = value
            return true
        }
        output.assumingMemoryBound(to: Int64.self)[row] = Int64(truncatingIfNeeded: value)
        return Int128(Int64(truncatingIfNeeded: value)) == value
    }

    /// A big-endian number of 1 to 8 bytes.
    @inline(__always)
    private static func shortBigEndian(_ bytes: UnsafeRawPointer, _ count: Int) -> Int64 {
        var value = Int64(bytes.load(as: Int8.self))
        for index in 1..<max(count, 1) {
            value = value &<< 8 | Int64(bytes.load(fromByteOffset: index, as: UInt8.self))
        }
        return value
    }

    /// A big-endian two's complement number of any length; nil when Int128 does not hold it. No bytes are 0.
    static func bigEndian(_ bytes: UnsafeRawPointer, _ count: Int) -> Int128? {
        guard count > 0 else { return 0 }
        let sign: UInt8 = bytes.load(as: Int8.self) < 0 ? 0xff : 0
        var start = 0
        while count - start > decimalBytesMax {
            guard bytes.load(fromByteOffset: start, as: UInt8.self) == sign else { return nil }
            start += 1
        }
        var value = Int128(bytes.load(fromByteOffset: start, as: Int8.self))
        guard start == 0 || (value < 0) == (sign != 0) else { return nil }
        for index in start + 1..<max(count, start + 1) {
            value = value &<< 8 | Int128(bytes.load(fromByteOffset: index, as: UInt8.self))
        }
        return value
    }

    @inline(__always)
    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return quotient &* divisor > value ? quotient &- 1 : quotient
    }

    /// IEEE 754 half precision. Float16 is not on every platform.
    @inline(__always)
    static func half(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10 & 0x1f)
        let fraction = UInt32(bits & 0x3ff)
        if exponent == 31 { return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13) }
        if exponent == 0 {
            let magnitude = Float(fraction) * 0x1p-24
            return sign != 0 ? -magnitude : magnitude
        }
        return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
}
