// Values to PostgreSQL's text form: integers, decimals, strings of bytes, and any value of a column. Hot.
// Dates and floats are in files of their own; the wire and the casts to text share all of it.
import Glibc

/// The text form of values, byte for byte as PostgreSQL's output functions print it (DateStyle ISO, IntervalStyle
/// postgres, extra_float_digits 1, bytea_output hex).
///
/// `write` puts a value of bounded length at a pointer with room for ``fixedMax`` bytes and returns the bytes written;
/// `append` grows an array.
public enum TextForm {
    /// No value of a type of fixed size prints longer than this: an interval has at most 66 bytes.
    public static let fixedMax = 96
    /// Arrays nested deeper print as NULL.
    static let nestingMax = SQLType.nestingMax

    // MARK: Integers

    /// Writes two decimal digits.
    @inline(__always)
    static func writeTwo(_ value: Int, _ at: UnsafeMutablePointer<UInt8>) {
        let tens = (value &* 103) &>> 10
        at[0] = UInt8(truncatingIfNeeded: 48 &+ tens)
        at[1] = UInt8(truncatingIfNeeded: 48 &+ value &- tens &* 10)
    }

    /// Decimal digits of a number; 0 has one.
    @inline(__always)
    static func digits(_ value: UInt64) -> Int {
        var bound: UInt64 = 10
        var count = 1
        while count < 19, value >= bound {
            bound = bound &* 10
            count &+= 1
        }
        return value >= 10_000_000_000_000_000_000 ? 20 : count
    }

    /// Writes an unsigned number.
    @inline(__always)
    public static func write(unsigned value: UInt64, to at: UnsafeMutablePointer<UInt8>) -> Int {
        let count = digits(value)
        writeDigits(value, count: count, to: at)
        return count
    }

    /// Writes exactly `count` digits, with leading zeros.
    @inline(__always)
    static func writeDigits(_ value: UInt64, count: Int, to at: UnsafeMutablePointer<UInt8>) {
        var rest = value
        var index = count
        while index >= 2 {
            let next = rest / 100
            index &-= 2
            writeTwo(Int(truncatingIfNeeded: rest &- next &* 100), at + index)
            rest = next
        }
        if index == 1 { at[0] = UInt8(truncatingIfNeeded: 48 &+ rest % 10) }
    }

    /// Writes an integer.
    public static func write(int value: Int64, to at: UnsafeMutablePointer<UInt8>) -> Int {
        if value >= 0 { return write(unsigned: UInt64(bitPattern: value), to: at) }
        at[0] = 45
        return 1 &+ write(unsigned: value.magnitude, to: at + 1)
    }

    // MARK: Decimals

    /// Ten to the 18th: the chunks in which 128-bit numbers are printed.
    private static var chunk: UInt128 { 1_000_000_000_000_000_000 }

    /// Writes an unsigned 128-bit number.
    private static func write(wide value: UInt128, to at: UnsafeMutablePointer<UInt8>) -> Int {
        if value <= UInt128(UInt64.max) { return write(unsigned: UInt64(truncatingIfNeeded: value), to: at) }
        let (high, low) = value.quotientAndRemainder(dividingBy: chunk)
        let count = write(wide: high, to: at)
        writeDigits(UInt64(truncatingIfNeeded: low), count: 18, to: at + count)
        return count &+ 18
    }

    /// Writes a decimal of a scale of at most 38.
    public static func write(decimal mantissa: Int128, scale: Int, to start: UnsafeMutablePointer<UInt8>) -> Int {
        var at = start
        if mantissa < 0 {
            at[0] = 45
            at += 1
        }
        let count = write(wide: mantissa.magnitude, to: at)
        return (at - start) &+ placePoint(digits: count, scale: scale, at)
    }

    /// Writes a decimal held in 64 bits.
    public static func write(decimal mantissa: Int64, scale: Int, to start: UnsafeMutablePointer<UInt8>) -> Int {
        var at = start
        if mantissa < 0 {
            at[0] = 45
            at += 1
        }
        let count = write(unsigned: mantissa.magnitude, to: at)
        return (at - start) &+ placePoint(digits: count, scale: scale, at)
    }

    /// Moves the last `scale` of `digits` digits behind a point, filling with zeros; returns the new length.
    @inline(__always)
    private static func placePoint(digits: Int, scale: Int, _ at: UnsafeMutablePointer<UInt8>) -> Int {
        guard scale > 0 else { return digits }
        if digits > scale {
            memmove(at + (digits &- scale &+ 1), at + (digits &- scale), scale)
            at[digits &- scale] = 46
            return digits &+ 1
        }
        let zeros = scale &- digits
        memmove(at + (2 &+ zeros), at, digits)
        at[0] = 48
        at[1] = 46
        memset(at + 2, 48, zeros)
        return scale &+ 2
    }

    /// Writes a numeric with its own scale.
    public static func write(numeric value: Numeric, to at: UnsafeMutablePointer<UInt8>) -> Int {
        if !value.isFinite {
            return write(value.isNaN ? "NaN" : value.mantissa > 0 ? "Infinity" : "-Infinity", to: at)
        }
        return write(decimal: value.mantissa, scale: Int(value.scale), to: at)
    }

    // MARK: Words, bytes

    /// Copies a word of the program.
    @inline(__always)
    static func write(_ word: StaticString, to at: UnsafeMutablePointer<UInt8>) -> Int {
        memcpy(at, word.utf8Start, word.utf8CodeUnitCount)
        return word.utf8CodeUnitCount
    }

    /// Writes `t` or `f`. (Casting a boolean to text gives `true` or `false` instead.)
    public static func write(bool value: Bool, to at: UnsafeMutablePointer<UInt8>) -> Int {
        at[0] = value ? 116 : 102
        return 1
    }

    @inline(__always)
    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 &+ value : 87 &+ value }

    /// Writes a UUID given in its stored form.
    public static func write(uuid stored: Int128, to start: UnsafeMutablePointer<UInt8>) -> Int {
        let number = UUIDBits.number(stored)
        let halves = (UInt64(truncatingIfNeeded: number &>> 64), UInt64(truncatingIfNeeded: number))
        var at = start
        var byte = 0
        while byte < 16 {
            if byte == 4 || byte == 6 || byte == 8 || byte == 10 {
                at[0] = 45
                at += 1
            }
            let half = byte < 8 ? halves.0 : halves.1
            let value = UInt8(truncatingIfNeeded: half &>> UInt64(truncatingIfNeeded: 56 &- (byte & 7) &* 8))
            at[0] = hexDigit(value &>> 4)
            at[1] = hexDigit(value & 15)
            at += 2
            byte &+= 1
        }
        return 36
    }

    /// Writes bytes as `\x` and hexadecimal digits: `2 + 2 * count` bytes, which must have room.
    public static func write(bytea bytes: UnsafeRawBufferPointer, to at: UnsafeMutablePointer<UInt8>) -> Int {
        at[0] = 92
        at[1] = 120
        var index = 0
        while index < bytes.count {
            at[2 &+ index &* 2] = hexDigit(bytes[index] &>> 4)
            at[3 &+ index &* 2] = hexDigit(bytes[index] & 15)
            index &+= 1
        }
        return 2 &+ bytes.count &* 2
    }

    // MARK: Growing an array

    /// Appends what `body` writes, at most ``fixedMax`` bytes.
    @inline(__always)
    public static func append(to out: inout [UInt8], _ body: (UnsafeMutablePointer<UInt8>) -> Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: fixedMax) { room in
            let count = body(room.baseAddress.unsafelyUnwrapped)
            out.append(contentsOf: UnsafeBufferPointer(rebasing: room[0..<count]))
        }
    }

    public static func append(int value: Int64, to out: inout [UInt8]) {
        append(to: &out) { write(int: value, to: $0) }
    }
    public static func append(double value: Double, to out: inout [UInt8]) {
        append(to: &out) { write(double: value, to: $0) }
    }
    public static func append(float value: Float, to out: inout [UInt8]) {
        append(to: &out) { write(float: value, to: $0) }
    }
    public static func append(decimal mantissa: Int128, scale: Int, to out: inout [UInt8]) {
        append(to: &out) { write(decimal: mantissa, scale: scale, to: $0) }
    }
    public static func append(numeric value: Numeric, to out: inout [UInt8]) {
        append(to: &out) { write(numeric: value, to: $0) }
    }
    public static func append(date days: Int32, to out: inout [UInt8]) {
        append(to: &out) { write(date: days, to: $0) }
    }
    public static func append(time microseconds: Int64, to out: inout [UInt8]) {
        append(to: &out) { write(time: microseconds, to: $0) }
    }
    public static func append(timestamp microseconds: Int64, to out: inout [UInt8]) {
        append(to: &out) { write(timestamp: microseconds, to: $0) }
    }
    public static func append(timestamptz microseconds: Int64, zone: SessionTimeZone, to out: inout [UInt8]) {
        append(to: &out) { write(timestamptz: microseconds, zone: zone, to: $0) }
    }
    public static func append(interval value: Interval, to out: inout [UInt8]) {
        append(to: &out) { write(interval: value, to: $0) }
    }
    public static func append(uuid stored: Int128, to out: inout [UInt8]) {
        append(to: &out) { write(uuid: stored, to: $0) }
    }
    public static func append(bytea bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        out.append(92)
        out.append(120)
        out.reserveCapacity(out.count + bytes.count * 2)
        for byte in bytes {
            out.append(hexDigit(byte &>> 4))
            out.append(hexDigit(byte & 15))
        }
    }

    /// Appends bytes in the session's style.
    public static func append(bytea bytes: UnsafeRawBufferPointer, style: TimeStyle, to out: inout [UInt8]) {
        guard style.escapesBytes else { return append(bytea: bytes, to: &out) }
        for byte in bytes {
            if byte == 92 {
                out += [92, 92]
            } else if byte >= 32, byte < 127 {
                out.append(byte)
            } else {
                out += [92, 48 + (byte >> 6), 48 + (byte >> 3 & 7), 48 + (byte & 7)]
            }
        }
    }

    // MARK: Any value

    /// Appends the value of a row, which must not be NULL. Not for loops over rows, except of arrays.
    public static func append(_ column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]) {
        append(column, row, zone: zone, depth: 0, to: &out)
    }

    static func append(
        _ column: Column, _ row: Int, zone: SessionTimeZone, depth: Int, to out: inout [UInt8]
    ) {
        let at = column.slot(row)
        let from = column.storage
        switch column.physical {
        case .bool: out.append(from.pointer(UInt8.self)[at] != 0 ? 116 : 102)
        case .int16: append(int: Int64(from.pointer(Int16.self)[at]), to: &out)
        case .int32:
            let value = from.pointer(Int32.self)[at]
            if column.type == .date {
                append(to: &out) { write(date: value, style: zone.style, to: $0) }
            } else if case .enumeration(let labels) = column.type {
                out.append(contentsOf: labels.label(value).utf8)
            } else {
                append(int: Int64(value), to: &out)
            }
        case .int64: append(int64: from.pointer(Int64.self)[at], as: column.type, zone: zone, to: &out)
        case .int128:
            let value = from.pointer(Int128.self)[at]
            if case .decimal(_, let scale) = column.type {
                append(decimal: value, scale: scale, to: &out)
            } else {
                append(uuid: value, to: &out)
            }
        case .float32:
            let value = from.pointer(Float.self)[at]
            append(to: &out) { write(float: value, style: zone.style, to: $0) }
        case .float64:
            let value = from.pointer(Double.self)[at]
            append(to: &out) { write(double: value, style: zone.style, to: $0) }
        case .numeric: append(numeric: from.pointer(Numeric.self)[at], to: &out)
        case .interval:
            let value = from.pointer(Interval.self)[at]
            append(to: &out) { write(interval: value, style: zone.style, to: $0) }
        case .view:
            let view = from.pointer(StringView.self)[at]
            if column.type == .bytea {
                view.withBytes { append(bytea: $0, style: zone.style, to: &out) }
            } else if case .system(let type) = column.type, type == .inet || type == .cidr {
                let text = view.withBytes { NetworkAddress(key: $0)?.text(isNetwork: type == .cidr) ?? "" }
                out.append(contentsOf: text.utf8)
            } else {
                view.withBytes { out.append(contentsOf: $0) }
            }
        case .list:
            guard let child = from.child else { return out.append(contentsOf: [123, 125]) }
            let span = from.pointer(ListSpan.self)[at]
            let rows = Int(span.start)..<Int(span.start &+ span.count)
            if case .map = column.type {
                append(map: child, rows, zone: zone, depth: depth, to: &out)
            } else {
                append(array: child, rows, zone: zone, depth: depth, to: &out)
            }
        case .row:
            append(record: from.fields, Int(from.pointer(Int32.self)[at]), zone: zone, depth: depth, to: &out)
        }
    }

    private static func append(int64 value: Int64, as type: SQLType, zone: SessionTimeZone, to out: inout [UInt8]) {
        switch type {
        case .decimal(_, let scale): append(decimal: Int128(value), scale: scale, to: &out)
        case .time: append(time: value, to: &out)
        case .timestamp: append(to: &out) { write(timestamp: value, style: zone.style, to: $0) }
        case .timestamptz: append(timestamptz: value, zone: zone, to: &out)
        case .system(.timetz): ZonedTime(packed: value).append(to: &out)
        default: append(int: value, to: &out)
        }
    }

    /// Appends `{a,b,NULL}`. Elements are quoted where the array input syntax needs it.
    private static func append(
        array child: Column, _ rows: Range<Int>, zone: SessionTimeZone, depth: Int, to out: inout [UInt8]
    ) {
        out.append(123)
        for row in rows {
            if row > rows.lowerBound { out.append(44) }
            if !child.isValid(row) || depth >= nestingMax {
                out.append(contentsOf: [78, 85, 76, 76])
                continue
            }
            let start = out.count
            append(child, row, zone: zone, depth: depth + 1, to: &out)
            if case .array = child.type { continue }
            quoteElement(from: start, &out)
        }
        out.append(125)
    }

    /// Puts an array element in double quotes when it would not be read back as it is.
    static func quoteElement(from start: Int, alsoAt special: UInt8 = 44, _ out: inout [UInt8]) {
        var needsQuotes = start == out.count
        var escapes = 0
        for index in start..<out.count {
            switch out[index] {
            case 34, 92:
                escapes += 1
                needsQuotes = true
            case 123, 125, 44, 32, 9, 10, 11, 12, 13, special: needsQuotes = true
            default: break
            }
        }
        if !needsQuotes, out.count - start == 4 {
            needsQuotes =
                out[start] | 32 == 110 && out[start + 1] | 32 == 117 && out[start + 2] | 32 == 108
                && out[start + 3] | 32 == 108
        }
        guard needsQuotes else { return }
        var quoted: [UInt8] = [34]
        quoted.reserveCapacity(out.count - start + escapes + 2)
        for index in start..<out.count {
            if out[index] == 34 || out[index] == 92 { quoted.append(92) }
            quoted.append(out[index])
        }
        quoted.append(34)
        out.replaceSubrange(start..., with: quoted)
    }
}

extension Scalar {
    /// The value as PostgreSQL's output function prints it; nil for NULL.
    public func outputText(zone: SessionTimeZone = .utc) -> String? {
        guard !isNull else { return nil }
        if case .string(let text) = value, !type.isNetwork { return text }
        let builder = ColumnBuilder(type, capacity: 1)
        builder.append(self)
        var out: [UInt8] = []
        TextForm.append(builder.finish(), 0, zone: zone, to: &out)
        return String(decoding: out, as: UTF8.self)
    }
}
