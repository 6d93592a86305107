// Text to values of every type: PostgreSQL's input syntax and error texts. Dates and intervals are in files of their own.
// Hot: the numbers are called once per row by casts and COPY.
public import Diagnostics
import Glibc

/// What the meaning of a text may depend on.
public struct TextParseContext: Sendable {
    /// Microseconds since 1970 UTC: what `now` and `today` mean.
    public var now: Int64
    /// The zone of times written without one.
    public var timeZone: SessionTimeZone

    public init(now: Int64 = 0, timeZone: SessionTimeZone = .utc) {
        self.now = now
        self.timeZone = timeZone
    }
}

/// Parses the text form of values. Blanks at both ends are skipped where PostgreSQL skips them.
public enum TextParse {
    /// Blank, tab, newline, carriage return, vertical tab, form feed.
    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (byte >= 9 && byte <= 13) }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }

    /// The error of a text that is no value of a type.
    static func invalid(_ type: String, _ bytes: UnsafeRawBufferPointer) -> SQLError {
        let state: SQLState =
            switch type {
            case "date", "interval": .invalidDatetimeFormat
            case _ where type.hasPrefix("time"): .invalidDatetimeFormat
            default: .invalidTextRepresentation
            }
        return SQLError(state, "invalid input syntax for type \(type): \"\(String(decoding: bytes, as: UTF8.self))\"")
    }

    static func outOfRange(_ type: String, _ bytes: UnsafeRawBufferPointer) -> SQLError {
        SQLError(
            .numericValueOutOfRange,
            "value \"\(String(decoding: bytes, as: UTF8.self))\" is out of range for type \(type)")
    }

    /// The range without blanks at the ends.
    @inline(__always)
    static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var (low, high) = (0, bytes.count)
        while low < high, isSpace(bytes[low]) { low &+= 1 }
        while high > low, isSpace(bytes[high &- 1]) { high &-= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[low..<high])
    }

    // MARK: Integers and booleans

    /// Parses `smallint`.
    public static func int2(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Int16 {
        let value = try integer(bytes, "smallint")
        guard let result = Int16(exactly: value) else { throw outOfRange("smallint", bytes) }
        return result
    }

    /// Parses `integer`.
    public static func int4(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Int32 {
        let value = try integer(bytes, "integer")
        guard let result = Int32(exactly: value) else { throw outOfRange("integer", bytes) }
        return result
    }

    /// Parses `bigint`.
    public static func int8(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Int64 {
        try integer(bytes, "bigint")
    }

    private static func integer(_ bytes: UnsafeRawBufferPointer, _ type: String) throws(SQLError) -> Int64 {
        let text = trimmed(bytes)
        var at = 0
        var isNegative = false
        if at < text.count, text[at] == 45 || text[at] == 43 {
            isNegative = text[at] == 45
            at &+= 1
        }
        guard at < text.count else { throw invalid(type, bytes) }
        var value: UInt64 = 0
        var isTooBig = false
        while at < text.count {
            let digit = text[at] &- 48
            guard digit < 10 else { throw invalid(type, bytes) }
            let (raised, o1) = value.multipliedReportingOverflow(by: 10)
            let (sum, o2) = raised.addingReportingOverflow(UInt64(digit))
            if o1 || o2 { isTooBig = true }
            value = sum
            at &+= 1
        }
        let bound = UInt64(Int64.max) &+ (isNegative ? 1 : 0)
        if isTooBig || value > bound { throw outOfRange(type, bytes) }
        return isNegative ? 0 &- Int64(bitPattern: value) : Int64(bitPattern: value)
    }

    /// Parses `boolean`: any prefix of true, false, yes, no; on, off, 1, 0.
    public static func boolean(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Bool {
        let text = trimmed(bytes)
        func matches(_ word: StaticString, atLeast least: Int) -> Bool {
            guard text.count >= least, text.count <= word.utf8CodeUnitCount else { return false }
            for index in 0..<text.count where text[index] | 32 != word.utf8Start[index] { return false }
            return true
        }
        if text.count == 1, text[0] == 49 { return true }
        if text.count == 1, text[0] == 48 { return false }
        if matches("true", atLeast: 1) || matches("yes", atLeast: 1) || matches("on", atLeast: 2) { return true }
        if matches("false", atLeast: 1) || matches("no", atLeast: 1) || matches("off", atLeast: 2) { return false }
        throw invalid("boolean", bytes)
    }

    // MARK: Floats

    /// Parses `double precision`.
    public static func float8(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Double {
        let text = trimmed(bytes)
        if let quick = quickDouble(text) { return quick }
        return try slowFloat(text, bytes, "double precision", strtod) { $0 == 0 || $0.isInfinite }
    }

    /// Parses `real`.
    public static func float4(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Float {
        let text = trimmed(bytes)
        return try slowFloat(text, bytes, "real", strtof) { $0 == 0 || $0.isInfinite }
    }

    /// Numbers of up to 15 digits without exponent, which need no correction.
    private static func quickDouble(_ text: UnsafeRawBufferPointer) -> Double? {
        guard text.count > 0, text.count <= 17 else { return nil }
        var at = 0
        let isNegative = text[0] == 45
        if isNegative { at = 1 }
        var mantissa: Int64 = 0
        var digits = 0
        var scale = -1
        while at < text.count {
            let digit = text[at] &- 48
            if digit < 10 {
                mantissa = mantissa &* 10 &+ Int64(digit)
                digits &+= 1
                if scale >= 0 { scale &+= 1 }
            } else if text[at] == 46, scale < 0 {
                scale = 0
            } else {
                return nil
            }
            at &+= 1
        }
        guard digits > 0, digits <= 15 else { return nil }
        let value = DecimalMath.double(Int128(mantissa), scale: max(0, scale))
        return isNegative ? -value : value
    }

    private static func slowFloat<T: BinaryFloatingPoint>(
        _ text: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer, _ type: String,
        _ convert: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> T,
        _ isSuspect: (T) -> Bool
    ) throws(SQLError) -> T {
        if let special: T = specialFloat(text) { return special }
        guard text.count > 0, text.count < 2000 else { throw invalid(type, bytes) }
        var sawDigit = false
        var isZero = true
        var inExponent = false
        for index in 0..<text.count {
            let byte = text[index]
            if isDigit(byte) {
                sawDigit = true
                if byte != 48, !inExponent { isZero = false }
            } else if byte | 32 == 101 {
                inExponent = true
            } else if byte != 46, byte != 43, byte != 45 {
                throw invalid(type, bytes)
            }
        }
        guard sawDigit else { throw invalid(type, bytes) }
        var copy = [CChar](repeating: 0, count: text.count + 1)
        for index in 0..<text.count { copy[index] = CChar(bitPattern: text[index]) }
        var value: T = 0
        var used = 0
        copy.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            var end: UnsafeMutablePointer<CChar>?
            value = convert(base, &end)
            if let end { used = UnsafePointer(end) - base }
        }
        guard used == text.count else { throw invalid(type, bytes) }
        if isSuspect(value), !(value == 0 && isZero) {
            throw SQLError(
                .numericValueOutOfRange,
                "\"\(String(decoding: bytes, as: UTF8.self))\" is out of range for type \(type)")
        }
        return value
    }

    private static func specialFloat<T: BinaryFloatingPoint>(_ text: UnsafeRawBufferPointer) -> T? {
        guard text.count >= 3, text.count <= 9 else { return nil }
        switch String(decoding: text, as: UTF8.self).lowercased() {
        // The sign of what is no number means nothing, but strtod() takes it.
        case "nan", "+nan", "-nan": return .nan
        case "inf", "+inf", "infinity", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        default: return nil
        }
    }

    // MARK: Numerics

    /// Parses `numeric`: the scale is the number of fractional digits written.
    public static func numeric(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Numeric {
        let text = trimmed(bytes)
        if let special: Double = specialFloat(text) {
            return special.isNaN ? .nan : (special > 0 ? .infinity : .negativeInfinity)
        }
        var at = 0
        var isNegative = false
        if at < text.count, text[at] == 45 || text[at] == 43 {
            isNegative = text[at] == 45
            at &+= 1
        }
        var mantissa: UInt128 = 0
        var small: UInt64 = 0
        var (digits, smallDigits) = (0, 0)
        var (scale, sawPoint, sawDigit) = (0, false, false)
        var (dropped, firstDropped): (Int, UInt8) = (0, 0)
        while at < text.count {
            let digit = text[at] &- 48
            if digit < 10 {
                sawDigit = true
                if digits < 38 {
                    small = small &* 10 &+ UInt64(digit)
                    smallDigits &+= 1
                    if small != 0 || mantissa != 0 { digits &+= 1 }
                    if smallDigits == 18 {
                        mantissa = mantissa &* UInt128(DecimalMath.powers[18]) &+ UInt128(small)
                        (small, smallDigits) = (0, 0)
                    }
                    if sawPoint { scale &+= 1 }
                } else {
                    // Beyond 38 digits: fractional ones are rounded away, whole ones overflow below.
                    if dropped == 0 { firstDropped = digit }
                    dropped &+= 1
                    if !sawPoint { scale &-= 1 }
                }
            } else if text[at] == 46, !sawPoint {
                sawPoint = true
            } else {
                break
            }
            at &+= 1
        }
        guard sawDigit else { throw invalid("numeric", bytes) }
        mantissa = mantissa &* UInt128(DecimalMath.powers[smallDigits]) &+ UInt128(small)
        if dropped > 0, firstDropped >= 5 { mantissa &+= 1 }
        var exponent = 0
        if at < text.count { exponent = try numericExponent(text, &at, bytes) }
        scale &-= exponent
        guard mantissa < UInt128(DecimalMath.limit) else { throw DecimalMath.overflow }
        let signed = isNegative ? -Int128(mantissa) : Int128(mantissa)
        if scale < 0 {
            guard let raised = DecimalMath.rescale(signed, from: scale, to: 0) else { throw DecimalMath.overflow }
            return Numeric(raised, scale: 0)
        }
        if scale > DecimalMath.digitsMax {
            let cut = DecimalMath.rescale(signed, from: scale, to: DecimalMath.digitsMax) ?? 0
            return Numeric(cut, scale: DecimalMath.digitsMax)
        }
        return Numeric(signed, scale: scale)
    }

    private static func numericExponent(
        _ text: UnsafeRawBufferPointer, _ at: inout Int, _ bytes: UnsafeRawBufferPointer
    ) throws(SQLError) -> Int {
        guard text[at] | 32 == 101 else { throw invalid("numeric", bytes) }
        at &+= 1
        var sign = 1
        if at < text.count, text[at] == 45 || text[at] == 43 {
            sign = text[at] == 45 ? -1 : 1
            at &+= 1
        }
        guard at < text.count else { throw invalid("numeric", bytes) }
        var value = 0
        while at < text.count {
            guard isDigit(text[at]) else { throw invalid("numeric", bytes) }
            value = min(value &* 10 &+ Int(text[at] &- 48), 1_000_000)
            at &+= 1
        }
        return sign * value
    }

    /// Parses `numeric(precision, scale)`: the mantissa at the scale, rounded half away from zero.
    public static func decimal(
        _ bytes: UnsafeRawBufferPointer, precision: Int, scale: Int
    ) throws(SQLError) -> Int128 {
        let value = try numeric(bytes)
        guard value.isFinite else {
            throw DecimalMath.overflow(precision: precision, scale: scale)
        }
        guard let mantissa = DecimalMath.rescale(value.mantissa, from: Int(value.scale), to: scale),
            mantissa.magnitude < UInt128(DecimalMath.powers[precision])
        else { throw DecimalMath.overflow(precision: precision, scale: scale) }
        return mantissa
    }

    // MARK: UUIDs and bytes

    /// Parses `uuid` to its stored form: 32 hex digits, hyphens after any group of four, braces around.
    public static func uuid(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> Int128 {
        var (at, end) = (0, bytes.count)
        if end >= 2, bytes[0] == 123 {
            guard bytes[end - 1] == 125 else { throw invalid("uuid", bytes) }
            (at, end) = (1, end - 1)
        }
        var value: UInt128 = 0
        var digits = 0
        while at < end {
            if bytes[at] == 45, digits > 0, digits < 32, digits % 4 == 0, bytes[at - 1] != 45 {
                at &+= 1
                continue
            }
            guard let digit = hexDigit(bytes[at]), digits < 32 else { throw invalid("uuid", bytes) }
            value = value << 4 | UInt128(digit)
            digits &+= 1
            at &+= 1
        }
        guard digits == 32 else { throw invalid("uuid", bytes) }
        return UUIDBits.stored(value)
    }

    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt8? {
        let digit = byte &- 48
        if digit < 10 { return digit }
        let letter = (byte | 32) &- 97
        return letter < 6 ? letter &+ 10 : nil
    }

    /// Parses `bytea`: `\x` and hex digits, or the escape form.
    public static func bytea(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> [UInt8] {
        var result: [UInt8] = []
        if bytes.count >= 2, bytes[0] == 92, bytes[1] == 120 {
            result.reserveCapacity(bytes.count / 2)
            try hex(UnsafeRawBufferPointer(rebasing: bytes[2...]), into: &result)
            return result
        }
        var at = 0
        while at < bytes.count {
            if bytes[at] != 92 {
                result.append(bytes[at])
                at += 1
            } else if at + 1 < bytes.count, bytes[at + 1] == 92 {
                result.append(92)
                at += 2
            } else if at + 3 < bytes.count, bytes[at + 1] &- 48 < 4, bytes[at + 2] &- 48 < 8, bytes[at + 3] &- 48 < 8 {
                result.append((bytes[at + 1] &- 48) << 6 | (bytes[at + 2] &- 48) << 3 | (bytes[at + 3] &- 48))
                at += 4
            } else {
                throw SQLError(.invalidTextRepresentation, "invalid input syntax for type bytea")
            }
        }
        return result
    }

    /// Appends the bytes of hex digits; blanks between pairs are skipped.
    public static func hex(_ text: UnsafeRawBufferPointer, into result: inout [UInt8]) throws(SQLError) {
        var at = 0
        while at < text.count {
            if isSpace(text[at]) {
                at += 1
                continue
            }
            guard let high = hexDigit(text[at]) else { throw hexError(text, at) }
            guard at + 1 < text.count else {
                throw SQLError(.invalidParameterValue, "invalid hexadecimal data: odd number of digits")
            }
            guard let low = hexDigit(text[at + 1]) else { throw hexError(text, at + 1) }
            result.append(high << 4 | low)
            at += 2
        }
    }

    private static func hexError(_ text: UnsafeRawBufferPointer, _ at: Int) -> SQLError {
        var end = at + 1
        while end < text.count, text[end] & 0xc0 == 0x80 { end += 1 }
        let digit = String(decoding: text[at..<end], as: UTF8.self)
        return SQLError(.invalidParameterValue, "invalid hexadecimal digit: \"\(digit)\"")
    }
}
