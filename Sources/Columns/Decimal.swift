// 128-bit decimal arithmetic: powers of ten, rescaling, products and quotients through 256 bits. Hot.
public import Diagnostics

/// Arithmetic on decimal mantissas. A nil result means that 38 digits do not hold it.
public enum DecimalMath {
    /// The largest number of digits of a mantissa.
    public static let digitsMax = 38

    /// 10^0 ... 10^38. Never freed: one table for the life of the process.
    public nonisolated(unsafe) static let powers: UnsafePointer<Int128> = {
        let table = UnsafeMutablePointer<Int128>.allocate(capacity: digitsMax + 1)
        table[0] = 1
        for exponent in 1...digitsMax { table[exponent] = table[exponent - 1] * 10 }
        return UnsafePointer(table)
    }()

    /// 10^exponent for 0...38.
    @inline(__always)
    public static func pow10(_ exponent: Int) -> Int128 {
        precondition(exponent >= 0 && exponent <= 38)
        return powers[exponent]
    }

    /// 10^38: magnitudes stay below it.
    public static var limit: Int128 { powers[digitsMax] }

    /// Whether a mantissa has at most 38 digits.
    @inline(__always)
    public static func fits(_ mantissa: Int128) -> Bool { mantissa < limit && mantissa > -limit }

    /// Decimal digits of a magnitude; 0 has none.
    public static func digits(_ magnitude: UInt128) -> Int {
        guard magnitude != 0 else { return 0 }
        // log10(2) as 1233 / 4096, then one comparison to correct it.
        let bits = 128 - magnitude.leadingZeroBitCount
        let guess = (bits * 1233) >> 12
        guard guess <= digitsMax else { return guess }
        return magnitude >= UInt128(powers[guess]) ? guess + 1 : guess
    }

    /// Divides, rounding half away from zero. The divisor must not be 0.
    @inline(__always)
    public static func divideRounded(_ dividend: Int128, _ divisor: Int128) -> Int128 {
        let (n, d) = (dividend.magnitude, divisor.magnitude)
        var quotient: UInt128
        let rest: UInt128
        if n <= UInt128(UInt64.max), d <= UInt128(UInt64.max) {
            let (a, b) = (UInt64(truncatingIfNeeded: n), UInt64(truncatingIfNeeded: d))
            (quotient, rest) = (UInt128(a / b), UInt128(a % b))
        } else {
            (quotient, rest) = n.quotientAndRemainder(dividingBy: d)
        }
        if rest >= d - rest { quotient += 1 }
        let result = Int128(truncatingIfNeeded: quotient)
        return (dividend < 0) != (divisor < 0) ? -result : result
    }

    /// Multiplies; nil beyond 38 digits.
    @inline(__always)
    public static func multiply(_ a: Int128, _ b: Int128) -> Int128? {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow || !fits(product) ? nil : product
    }

    /// Adds; nil beyond 38 digits.
    @inline(__always)
    public static func add(_ a: Int128, _ b: Int128) -> Int128? {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow || !fits(sum) ? nil : sum
    }

    /// Moves a mantissa from one scale to another, rounding half away from zero; nil beyond 38 digits.
    public static func rescale(_ mantissa: Int128, from: Int, to: Int) -> Int128? {
        if to >= from {
            let shift = to - from
            guard shift <= digitsMax else { return mantissa == 0 ? 0 : nil }
            return multiply(mantissa, powers[shift])
        }
        let shift = from - to
        return shift > digitsMax ? 0 : divideRounded(mantissa, powers[shift])
    }

    /// Returns a * b / 10^shift through 256 bits, rounded half away from zero; nil beyond 38 digits.
    public static func multiply(_ a: Int128, _ b: Int128, droppingDigits shift: Int) -> Int128? {
        guard shift > 0 else { return multiply(a, b) }
        guard shift <= 2 * digitsMax else { return 0 }
        let product = a.magnitude.multipliedFullWidth(by: b.magnitude)
        var (high, low) = (product.high, product.low)
        var left = shift
        // Only the last division rounds; whether digits were dropped before does not change a half-up decision,
        // because the earlier divisions truncate and the last digit dropped decides alone.
        while left > 1 {
            let step = min(left - 1, digitsMax)
            let divisor = UInt128(powers[step])
            let upper = high.quotientAndRemainder(dividingBy: divisor)
            low = divisor.dividingFullWidth((upper.remainder, low)).quotient
            high = upper.quotient
            left -= step
        }
        let upper = high.quotientAndRemainder(dividingBy: 10)
        guard upper.quotient == 0 else { return nil }
        let last = (10 as UInt128).dividingFullWidth((upper.remainder, low))
        let rounded = last.quotient &+ (last.remainder >= 5 ? 1 : 0)
        guard rounded < UInt128(limit) else { return nil }
        return (a < 0) != (b < 0) ? -Int128(rounded) : Int128(rounded)
    }

    /// Returns a * 10^shift / b, rounded half away from zero; nil beyond 38 digits. `b` must not be 0.
    public static func divide(_ a: Int128, shift: Int, by b: Int128) -> Int128? {
        if shift < 0 {
            // Dividing by b * 10^-shift in one step keeps a single rounding.
            guard -shift <= digitsMax else { return 0 }
            let (divisor, overflow) = b.multipliedReportingOverflow(by: powers[-shift])
            return overflow ? 0 : divideRounded(a, divisor)
        }
        if shift <= digitsMax {
            let (scaled, overflow) = a.multipliedReportingOverflow(by: powers[shift])
            if !overflow {
                let quotient = divideRounded(scaled, b)
                return fits(quotient) ? quotient : nil
            }
        }
        let d = b.magnitude
        var quotient = a.magnitude / d
        var rest = a.magnitude % d
        var left = shift
        while left > 0 {
            let step = min(left, digitsMax)
            let power = UInt128(powers[step])
            let (raised, overflow) = quotient.multipliedReportingOverflow(by: power)
            guard !overflow else { return nil }
            let wide = rest.multipliedFullWidth(by: power)
            let next = d.dividingFullWidth((wide.high, wide.low))
            let (sum, carry) = raised.addingReportingOverflow(next.quotient)
            guard !carry, sum <= UInt128(limit) else { return nil }
            quotient = sum
            rest = next.remainder
            left -= step
        }
        if rest >= d - rest { quotient += 1 }
        guard quotient < UInt128(limit) else { return nil }
        return (a < 0) != (b < 0) ? -Int128(quotient) : Int128(quotient)
    }

    /// The error of a value that does not fit `numeric(precision, scale)`.
    public static func overflow(precision: Int, scale: Int) -> SQLError {
        let bound = precision == scale ? "1" : "10^\(precision - scale)"
        return SQLError(
            .numericValueOutOfRange, "numeric field overflow",
            detail:
                "A field with precision \(precision), scale \(scale) must round to an absolute value less than \(bound)."
        )
    }

    /// The error of a value beyond what `numeric` holds.
    public static var overflow: SQLError { SQLError(.numericValueOutOfRange, "value overflows numeric format") }
}

extension Numeric {
    /// Rounds to a number of fractional digits, half away from zero; pads with zeros. Nil beyond 38 digits.
    public func rescaled(_ scale: Int) -> Numeric? {
        guard isFinite, Int(self.scale) != scale else { return self }
        return DecimalMath.rescale(mantissa, from: Int(self.scale), to: scale).map { Numeric($0, scale: scale) }
    }

    /// Orders by value: infinities at the ends, NaN above all and equal to itself.
    public static func compare(_ a: Numeric, _ b: Numeric) -> Int {
        if a.scale == b.scale, a.isFinite, b.isFinite {
            return a.mantissa < b.mantissa ? -1 : (a.mantissa == b.mantissa ? 0 : 1)
        }
        guard a.isFinite, b.isFinite else {
            let (x, y) = (a.specialRank, b.specialRank)
            return x < y ? -1 : (x == y ? 0 : 1)
        }
        let flip = a.scale < b.scale ? 1 : -1
        let (low, high) = a.scale < b.scale ? (a, b) : (b, a)
        let power = DecimalMath.pow10(Int(high.scale - low.scale))
        let (raised, overflow) = low.mantissa.multipliedReportingOverflow(by: power)
        // Too big for 128 bits means farther from zero than any mantissa.
        if overflow { return low.mantissa < 0 ? -flip : flip }
        return raised < high.mantissa ? -flip : (raised == high.mantissa ? 0 : flip)
    }

    private var specialRank: Int {
        if isNaN { return 2 }
        if mantissa == Int128.max { return 1 }
        return mantissa == Int128.min ? -1 : 0
    }

    /// The nearest double.
    public var double: Double {
        guard isFinite else {
            return isNaN ? Double.nan : (mantissa > 0 ? Double.infinity : -Double.infinity)
        }
        return DecimalMath.double(mantissa, scale: Int(scale))
    }

    /// The shortest numeric that prints like the double's 15 significant digits, as PostgreSQL casts; nil beyond 38
    /// digits.
    public init?(_ value: Double, significantDigits: Int = 15) {
        guard value.isFinite else {
            self = value.isNaN ? .nan : (value > 0 ? .infinity : .negativeInfinity)
            return
        }
        guard value != 0 else {
            self = Numeric(0, scale: 0)
            return
        }
        guard let parsed = DecimalMath.significant(value, significantDigits) else { return nil }
        self = parsed
    }
}
