// Strings and numbers of JSON: escapes, quoting, and jsonb's forms of them.
public import Diagnostics

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The order of an object's keys in jsonb.
public enum JSONKeyOrder {
    /// By length, then by bytes.
    public static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        if a.count != b.count { return a.count < b.count ? -1 : 1 }
        guard let x = a.baseAddress, let y = b.baseAddress, !a.isEmpty else { return 0 }
        return Int(memcmp(x, y, a.count))
    }
}

/// Escapes in strings.
public enum JSONEscape {
    /// The byte that a one-letter escape stands for.
    public static func meaning(_ letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): letter
        case UInt8(ascii: "b"): 8
        case UInt8(ascii: "f"): 12
        case UInt8(ascii: "n"): 10
        case UInt8(ascii: "r"): 13
        case UInt8(ascii: "t"): 9
        default: nil
        }
    }

    public static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 48...57: UInt32(byte - 48)
        case 97...102: UInt32(byte - 87)
        case 65...70: UInt32(byte - 55)
        default: nil
        }
    }

    private static func unit(_ base: UnsafePointer<UInt8>, _ at: Int, _ end: Int) -> UInt32? {
        guard at + 4 <= end else { return nil }
        var value: UInt32 = 0
        for index in at..<at + 4 {
            guard let digit = hexDigit(base[index]) else { return nil }
            value = value << 4 | digit
        }
        return value
    }

    /// Appends what stands between a string's quotes, without escapes. What is no text (halves of pairs) becomes U+FFFD.
    public static func decode(_ base: UnsafePointer<UInt8>, _ range: Range<Int>, to out: inout [UInt8]) {
        var at = range.lowerBound
        let end = range.upperBound
        while at < end {
            let byte = base[at]
            guard byte == UInt8(ascii: "\\"), at + 1 < end else {
                out.append(byte)
                at += 1
                continue
            }
            if let plain = meaning(base[at + 1]) {
                out.append(plain)
                at += 2
                continue
            }
            guard base[at + 1] == UInt8(ascii: "u"), let first = unit(base, at + 2, end) else {
                out.append(byte)
                at += 1
                continue
            }
            at += 6
            var code = first
            if first & 0xFC00 == 0xD800, at + 1 < end, base[at] == UInt8(ascii: "\\"),
                base[at + 1] == UInt8(ascii: "u"),
                let second = unit(base, at + 2, end), second & 0xFC00 == 0xDC00
            {
                code = 0x10000 + (first & 0x3FF) << 10 + (second & 0x3FF)
                at += 6
            }
            let scalar = UnicodeScalar(code) ?? "\u{FFFD}"
            out.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// Appends a text as a JSON string, as PostgreSQL's escape_json does.
    public static func quote(_ text: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        var plain = 0
        for (at, byte) in text.enumerated() where byte < 32 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
        {
            if at > plain { out.append(contentsOf: text[plain..<at]) }
            plain = at + 1
            out.append(UInt8(ascii: "\\"))
            switch byte {
            case 8: out.append(UInt8(ascii: "b"))
            case 12: out.append(UInt8(ascii: "f"))
            case 10: out.append(UInt8(ascii: "n"))
            case 13: out.append(UInt8(ascii: "r"))
            case 9: out.append(UInt8(ascii: "t"))
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out.append(byte)
            default:
                let digits: StaticString = "0123456789abcdef"
                out.append(contentsOf: [
                    117, 48, 48, digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)],
                ])
            }
        }
        if text.count > plain { out.append(contentsOf: text[plain..<text.count]) }
        out.append(UInt8(ascii: "\""))
    }
}

/// Numbers, as digits of any number.
public enum JSONNumber {
    /// Digits before and after the point, PostgreSQL's limits of numeric.
    private static let digitsBeforeMax = 131_072
    private static let digitsAfterMax = 16_383

    private static var overflow: SQLError { SQLError(.numericValueOutOfRange, "value overflows numeric format") }

    /// A number's digits without its point, and how many of them follow it; negative for zeros to be added.
    struct Parts {
        var isNegative = false
        var digits: [UInt8] = []
        var scale = 0
    }

    static func parts(_ text: UnsafeBufferPointer<UInt8>) throws(SQLError) -> Parts {
        var parts = Parts()
        var at = 0
        if at < text.count, text[at] == UInt8(ascii: "-") {
            parts.isNegative = true
            at += 1
        }
        parts.digits.reserveCapacity(text.count)
        var isAfter = false
        while at < text.count {
            if text[at] == UInt8(ascii: ".") {
                isAfter = true
            } else if text[at] >= 48, text[at] <= 57 {
                parts.digits.append(text[at])
                if isAfter { parts.scale += 1 }
            } else {
                break
            }
            at += 1
        }
        guard at < text.count else { return parts }
        let exponent = Int(String(decoding: text[(at + 1)...], as: UTF8.self))
        guard let exponent, abs(exponent) < Int(Int32.max) / 2 else { throw overflow }
        parts.scale -= exponent
        return parts
    }

    /// Appends a number as numeric prints it.
    public static func appendNormal(_ text: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) throws(SQLError) {
        // Almost all numbers are in this form already.
        let isPlain =
            text.count < 1_000 && !text.contains { $0 | 32 == UInt8(ascii: "e") } && text[0] != UInt8(ascii: "-")
        if isPlain { return out.append(contentsOf: text) }
        var parts = try parts(text)
        if parts.scale < 0 {
            guard parts.digits.contains(where: { $0 != 48 }) else {
                out.append(48)
                return
            }
            guard parts.digits.count - parts.scale <= digitsBeforeMax else { throw overflow }
            parts.digits.append(contentsOf: repeatElement(48, count: -parts.scale))
            parts.scale = 0
        }
        guard parts.scale <= digitsAfterMax else { throw overflow }
        if parts.digits.count <= parts.scale {
            parts.digits.insert(contentsOf: repeatElement(48, count: parts.scale - parts.digits.count + 1), at: 0)
        }
        let whole = parts.digits.count - parts.scale
        guard whole <= digitsBeforeMax else { throw overflow }
        if parts.isNegative, parts.digits.contains(where: { $0 != 48 }) { out.append(UInt8(ascii: "-")) }
        let first = parts.digits[..<whole].firstIndex { $0 != 48 } ?? whole - 1
        out.append(contentsOf: parts.digits[first..<whole])
        if parts.scale > 0 {
            out.append(UInt8(ascii: "."))
            out.append(contentsOf: parts.digits[whole...])
        }
    }
}
