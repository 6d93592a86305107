// The order of single values as SQL comparison sees it. For statistics and bounds, never per row.

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif
extension Scalar {
    /// Orders two values of one type family: negative, zero or positive; nil when either is NULL or the types do not
    /// compare without a session's help (text with numbers, timestamp with timestamptz).
    ///
    /// Numbers compare across widths, decimals and floats (floats as PostgreSQL does: by casting the other side to
    /// double precision; NaN is the greatest). Text compares by bytes (the C collation), `char(n)` without its padding.
    public static func compare(_ left: Scalar, _ right: Scalar) -> Int? {
        switch (left.value, right.value) {
        case (.null, _), (_, .null): return nil
        case (.bool(let a), .bool(let b)): return order(a ? 1 : 0, b ? 1 : 0)
        case (.string(let a), .string(let b)): return compareText(left.trimmed(a), right.trimmed(b))
        case (.bytes(let a), .bytes(let b)): return compareBytes(a, b)
        case (.interval(let a), .interval(let b)): return order(a.comparisonKey, b.comparisonKey)
        case (.int(let a), .int(let b)): return compareIntegers(a, left.type, b, right.type)
        case (.array(let a), .array(let b)): return compareLists(a, b)
        case (.row(let a), .row(let b)): return compareLists(a, b)
        default: break
        }
        if left.type == .uuid || right.type == .uuid {
            guard left.type == right.type, case .int128(let a) = left.value, case .int128(let b) = right.value else {
                return nil
            }
            return order(a, b)
        }
        guard left.type.isNumber, right.type.isNumber else { return nil }
        if left.type.isFloat || right.type.isFloat {
            guard let a = left.asDouble, let b = right.asDouble else { return nil }
            return compareDoubles(a, b)
        }
        guard let a = left.asNumeric, let b = right.asNumeric else { return nil }
        return compareNumerics(a, b)
    }

    /// Orders doubles as PostgreSQL does: zeros are equal, NaN equals itself and is the greatest.
    public static func compareDoubles(_ a: Double, _ b: Double) -> Int {
        if a.isNaN || b.isNaN { return order(a.isNaN ? 1 : 0, b.isNaN ? 1 : 0) }
        return order(a, b)
    }

    /// Whether this is a float that is not a number.
    public var isNaN: Bool {
        switch value {
        case .double(let number): number.isNaN
        case .numeric(let mantissa, let scale): Numeric(mantissa, scale: scale).isNaN
        default: false
        }
    }

    private static func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : (a == b ? 0 : 1) }

    private func trimmed(_ text: String) -> Substring.UTF8View {
        var rest = Substring(text).utf8
        if case .char = type { while rest.last == UInt8(ascii: " ") { rest.removeLast() } }
        return rest
    }

    private static func compareText(_ a: Substring.UTF8View, _ b: Substring.UTF8View) -> Int {
        compareBytes(Array(a), Array(b))
    }

    private static func compareBytes(_ a: [UInt8], _ b: [UInt8]) -> Int {
        let shorter = min(a.count, b.count)
        let first = a.withUnsafeBytes { x in
            b.withUnsafeBytes { y -> Int32 in
                guard let p = x.baseAddress, let q = y.baseAddress else { return 0 }
                return memcmp(p, q, shorter)
            }
        }
        return first != 0 ? Int(first) : a.count - b.count
    }

    /// NULL parts equal each other and come last.
    private static func compareLists(_ a: [Scalar], _ b: [Scalar]) -> Int? {
        for (x, y) in zip(a, b) {
            if x.isNull || y.isNull {
                if x.isNull, y.isNull { continue }
                return x.isNull ? 1 : -1
            }
            guard let first = compare(x, y) else { return nil }
            if first != 0 { return first }
        }
        return order(a.count, b.count)
    }

    /// Integers compare with each other, days with microseconds of the same calendar; nothing else.
    private static func compareIntegers(_ a: Int64, _ left: SQLType, _ b: Int64, _ right: SQLType) -> Int? {
        if left == right || (left.isInteger && right.isInteger) { return order(a, b) }
        switch (left, right) {
        case (.date, .timestamp): return order(microseconds(ofDay: a), b)
        case (.timestamp, .date): return order(a, microseconds(ofDay: b))
        default: return nil
        }
    }

    private static func microseconds(ofDay day: Int64) -> Int64 {
        if day >= Int64(Int32.max) { return Int64.max }
        if day <= Int64(Int32.min) { return Int64.min }
        return day * 86_400_000_000
    }

    private var asDouble: Double? {
        switch value {
        case .double(let number): return number
        case .int(let number): return Double(number)
        default: break
        }
        guard let number = asNumeric else { return nil }
        if number.isNaN { return .nan }
        if !number.isFinite { return number.mantissa > 0 ? .infinity : -.infinity }
        if number.scale == 0 { return Double(number.mantissa) }
        // Exact parts give a correctly rounded quotient; beyond that the text is parsed, as PostgreSQL does.
        if number.mantissa.magnitude <= 1 << 53, number.scale <= 22 {
            return Double(number.mantissa) / pow(10, Double(number.scale))
        }
        return Double("\(number.mantissa)e-\(number.scale)")
    }

    private var asNumeric: Numeric? {
        switch value {
        case .int(let number): return Numeric(Int128(number), scale: 0)
        case .int128(let mantissa):
            guard case .decimal(_, let scale) = type else { return nil }
            return Numeric(mantissa, scale: scale)
        case .numeric(let mantissa, let scale): return Numeric(mantissa, scale: scale)
        default: return nil
        }
    }

    private static func compareNumerics(_ a: Numeric, _ b: Numeric) -> Int {
        if a.isNaN || b.isNaN { return order(a.isNaN ? 1 : 0, b.isNaN ? 1 : 0) }
        if a.scale == b.scale || !a.isFinite || !b.isFinite { return order(a.mantissa, b.mantissa) }
        // Whole parts first, so that bringing the fractions to one scale cannot overflow.
        let (wholeA, restA) = a.mantissa.quotientAndRemainder(dividingBy: powerOfTen(a.scale))
        let (wholeB, restB) = b.mantissa.quotientAndRemainder(dividingBy: powerOfTen(b.scale))
        if wholeA != wholeB { return order(wholeA, wholeB) }
        let scale = max(a.scale, b.scale)
        return order(restA * powerOfTen(scale - a.scale), restB * powerOfTen(scale - b.scale))
    }

    private static func powerOfTen(_ exponent: Int32) -> Int128 {
        var result: Int128 = 1
        for _ in 0..<max(0, min(exponent, 38)) { result *= 10 }
        return result
    }
}

extension Scalar {
    /// Equality of two values of one type as `=` sees it.
    public func isEqualValue(_ other: Scalar) -> Bool { equalityKey == other.equalityKey }

    /// A form in which equal values are identical: 1.50 and 1.5, -0 and 0, NaN and NaN, 30 days and 1 month.
    public var equalityKey: Value {
        switch value {
        case .double(let number):
            if number.isNaN { return .string("NaN") }
            return .double(number == 0 ? 0 : number)
        case .numeric(let mantissa, let scale):
            let normal = Numeric(mantissa, scale: scale).normal
            return .numeric(mantissa: normal.mantissa, scale: Int(normal.scale))
        case .interval(let interval): return .int128(interval.comparisonKey)
        case .array(let items): return .array(items.map { Scalar($0.type, $0.equalityKey) })
        case .row(let items): return .row(items.map { Scalar($0.type, $0.equalityKey) })
        case .string(let text):
            // Bytes, for Swift finds composed and decomposed letters equal.
            if case .jsonb = type { return .bytes(JSONOrder.equalityKey(Array(text.utf8))) }
            return .bytes(Array(trimmed(text)))
        case .null, .bool, .int, .int128, .bytes: return value
        }
    }
}
