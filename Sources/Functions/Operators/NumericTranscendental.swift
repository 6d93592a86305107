// sqrt, exp, ln, log and power on numerics: fixed point with 36 fractional digits, PostgreSQL's result scales.
import Columns
import Diagnostics
import Glibc

enum NumericTranscendental {
    /// Fractional digits of the fixed-point numbers below; two digits are left for the whole part.
    private static let places = 36
    private static var one: Int128 { DecimalMath.powers[places] }
    private static let significant = NumericMath.significantDigits

    private static func times(_ a: Int128, _ b: Int128) throws(SQLError) -> Int128 {
        guard let product = DecimalMath.multiply(a, b, droppingDigits: places) else { throw DecimalMath.overflow }
        return product
    }

    private static func over(_ a: Int128, _ b: Int128) throws(SQLError) -> Int128 {
        guard let quotient = DecimalMath.divide(a, shift: places, by: b) else { throw DecimalMath.overflow }
        return quotient
    }

    /// The natural logarithm of a fixed-point number near 1, by the series of atanh.
    private static func lnSeries(_ x: Int128) throws(SQLError) -> Int128 {
        let z = try over(x - one, x + one)
        let square = try times(z, z)
        var (power, sum, odd) = (z, z, Int128(1))
        while power != 0 {
            power = try times(power, square)
            odd += 2
            sum += power / odd
        }
        return sum * 2
    }

    private static let ln10: Int128 = {
        // 10 = 2^3 * 1.25 and 2 = 1.5 * 1.333..., all in the series' good range.
        guard let two = try? lnSeries(one / 2 * 3), let rest = try? lnSeries(one / 3 * 4 + 1),
            let quarter = try? lnSeries(one / 4 * 5)
        else { return 0 }
        return (two + rest) * 3 + quarter
    }()

    /// ln as `fixed-point`, of any positive finite numeric.
    private static func naturalLog(_ a: Numeric) throws(SQLError) -> Int128 {
        // a = m * 10^k with m in [0.316, 3.16), then halved or doubled into the series' good range.
        let digits = DecimalMath.digits(a.mantissa.magnitude)
        var exponent = digits - 1 - Int(a.scale)
        guard var m = DecimalMath.rescale(a.mantissa, from: digits - 1, to: places) else { throw DecimalMath.overflow }
        if m > one * 3 {
            m = DecimalMath.divideRounded(m, 10)
            exponent += 1
        }
        var roots = 0
        while m > one / 10 * 13 || m < one / 10 * 7 {
            m = try squareRoot(m)
            roots += 1
        }
        let log = try lnSeries(m) << Int128(roots)
        return log + ln10 * Int128(exponent)
    }

    /// The square root of a fixed-point number.
    private static func squareRoot(_ x: Int128) throws(SQLError) -> Int128 {
        let wide = x.magnitude.multipliedFullWidth(by: one.magnitude)
        return Int128(wholeRoot(high: wide.high, low: wide.low))
    }

    /// The whole square root of a 256-bit number below 2^252, by Newton's method from above.
    private static func wholeRoot(high: UInt128, low: UInt128) -> UInt128 {
        if high == 0, low == 0 { return 0 }
        let bits = high != 0 ? 256 - high.leadingZeroBitCount : 128 - low.leadingZeroBitCount
        var x = UInt128(1) << UInt128((bits + 1) / 2)
        while true {
            guard x > high else { return x }
            let quotient = x.dividingFullWidth((high, low)).quotient
            let next = x / 2 + quotient / 2 + (x & quotient & 1)
            if next >= x { return x }
            x = next
        }
    }

    // MARK: sqrt

    static func sqrt(_ a: Numeric) throws(SQLError) -> Numeric {
        if a.isNaN || a.mantissa == Int128.max { return a }
        guard a.mantissa >= 0, a.isFinite else {
            throw SQLError(.invalidArgumentForPower, "cannot take square root of a negative number")
        }
        let exponent = max(DecimalMath.digits(a.mantissa.magnitude), 1) - 1 - Int(a.scale)
        let weight = exponent >= 0 ? exponent / 4 : -((3 - exponent) / 4)
        let sweight = (weight + 1) * 2 - 1
        return try sqrt(a, scale: max(significant - sweight, Int(a.scale), 0))
    }

    /// The root of a number that is not negative, at a scale.
    static func sqrt(_ a: Numeric, scale wanted: Int) throws(SQLError) -> Numeric {
        var scale = min(wanted, DecimalMath.digitsMax)
        // The root at one digit more than wanted, then rounded.
        while true {
            let shift = 2 * (scale + 1) - Int(a.scale)
            if shift <= 76, let wide = raised(a.mantissa.magnitude, max(0, shift)) {
                let root = wholeRoot(high: wide.high, low: wide.low)
                if root < UInt128(DecimalMath.limit) {
                    return Numeric(DecimalMath.divideRounded(Int128(root), 10), scale: scale)
                }
            }
            guard scale > 0 else { throw DecimalMath.overflow }
            scale -= 1
        }
    }

    /// x * 10^shift in 256 bits; nil beyond.
    private static func raised(_ x: UInt128, _ shift: Int) -> (high: UInt128, low: UInt128)? {
        let first = min(shift, 38)
        let wide = x.multipliedFullWidth(by: UInt128(DecimalMath.powers[first]))
        guard shift > 38 else { return (wide.high, wide.low) }
        let factor = UInt128(DecimalMath.powers[shift - 38])
        let low = wide.low.multipliedFullWidth(by: factor)
        let (high, overflow) = wide.high.multipliedReportingOverflow(by: factor)
        let (sum, carry) = high.addingReportingOverflow(low.high)
        return overflow || carry || sum >> 123 != 0 ? nil : (sum, low.low)
    }

    // MARK: exp

    static func exp(_ a: Numeric) throws(SQLError) -> Numeric {
        guard a.isFinite else { return a.isNaN || a.mantissa > 0 ? a : Numeric(0, scale: 0) }
        let estimate = a.double * 0.434294481903252
        guard estimate < 38 else { throw DecimalMath.overflow }
        let scale = max(significant - Int(max(estimate, -1000)), Int(a.scale), 0)
        if estimate < -70 { return Numeric(0, scale: min(scale, DecimalMath.digitsMax)) }
        guard let x = DecimalMath.rescale(a.mantissa, from: Int(a.scale), to: places - 2) else {
            throw DecimalMath.overflow
        }
        return try expFixed(x, places - 2, scale)
    }

    /// e to x / 10^digits, rounded to a scale.
    private static func expFixed(_ x: Int128, _ digits: Int, _ scale: Int) throws(SQLError) -> Numeric {
        // x = n ln 10 + r with |r| <= ln 10 / 2.
        let unit = DecimalMath.divideRounded(ln10, DecimalMath.powers[places - digits])
        let n = DecimalMath.divideRounded(x, unit)
        guard let raised = DecimalMath.rescale(x, from: digits, to: digits),
            let r = DecimalMath.rescale(raised - n * unit, from: digits, to: places)
        else { throw DecimalMath.overflow }
        // The unit was rounded; the difference counts n times.
        let correction = ln10 - unit * DecimalMath.powers[places - digits]
        let rest = r - n * correction
        var (term, sum, index) = (one, one, Int128(0))
        while term != 0 {
            index += 1
            term = try times(term, rest) / index
            sum += term
        }
        // sum is e^r at 36 places; shift by n.
        var shown = min(scale, DecimalMath.digitsMax)
        while shown >= 0 {
            if let mantissa = DecimalMath.rescale(sum, from: places - Int(n), to: shown) {
                return Numeric(mantissa, scale: shown)
            }
            shown -= 1
        }
        throw DecimalMath.overflow
    }

    // MARK: ln, log

    private static func checkLog(_ a: Numeric) throws(SQLError) {
        if a.mantissa == 0 { throw SQLError(.invalidArgumentForLogarithm, "cannot take logarithm of zero") }
        if NumericMath.sign(a) < 0, !a.isNaN {
            throw SQLError(.invalidArgumentForLogarithm, "cannot take logarithm of a negative number")
        }
    }

    /// PostgreSQL's estimate_ln_dweight.
    private static func lnWeight(_ a: Numeric) -> Int {
        let value = a.double
        if value >= 0.9, value <= 1.1 {
            guard let difference = try? NumericMath.add(a, Numeric(-1, scale: 0)), difference.mantissa != 0 else {
                return 0
            }
            return DecimalMath.digits(difference.mantissa.magnitude) - 1 - Int(difference.scale)
        }
        return Int(log10(abs(Glibc.log(value))))
    }

    static func ln(_ a: Numeric) throws(SQLError) -> Numeric {
        try checkLog(a)
        guard a.isFinite else { return a }
        let scale = min(max(significant - lnWeight(a), Int(a.scale), 0), places)
        guard let result = DecimalMath.rescale(try naturalLog(a), from: places, to: scale) else {
            throw DecimalMath.overflow
        }
        return Numeric(result, scale: scale)
    }

    static func log(_ base: Numeric, _ a: Numeric) throws(SQLError) -> Numeric {
        if a.isNaN || base.isNaN { return .nan }
        try checkLog(base)
        try checkLog(a)
        guard a.isFinite, base.isFinite else {
            return a.isNaN || base.isNaN ? .nan : (a.isFinite ? Numeric(0, scale: 0) : a)
        }
        let weight = lnWeight(a) - lnWeight(base)
        let scale = min(max(significant - weight, Int(a.scale), Int(base.scale), 0), places)
        let divisor = try naturalLog(base)
        guard divisor != 0 else { throw Arithmetic.divisionByZero }
        guard let result = DecimalMath.divide(try naturalLog(a), shift: scale, by: divisor) else {
            throw DecimalMath.overflow
        }
        return Numeric(result, scale: scale)
    }

    // MARK: power

    static func power(_ base: Numeric, _ exponent: Numeric) throws(SQLError) -> Numeric {
        if base.isNaN || exponent.isNaN {
            if exponent.mantissa == 0 || Numeric.compare(base, Numeric(1, scale: 0)) == 0 {
                return Numeric(1, scale: 0)
            }
            return .nan
        }
        guard base.isFinite, exponent.isFinite else {
            return try CastNumbers.numeric(Glibc.pow(base.double, exponent.double), 15)
        }
        if base.mantissa == 0, exponent.mantissa < 0 {
            throw SQLError(.invalidArgumentForPower, "zero raised to a negative power is undefined")
        }
        let whole = DecimalMath.rescale(exponent.mantissa, from: Int(exponent.scale), to: 0) ?? 0
        let isWhole = Numeric.compare(exponent, Numeric(whole, scale: 0)) == 0
        if base.mantissa < 0, !isWhole {
            throw SQLError(
                .invalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
        }
        let least = max(Int(base.scale), Int(exponent.scale), 0)
        if base.mantissa == 0 {
            return Numeric(exponent.mantissa == 0 ? DecimalMath.powers[significant] : 0, scale: significant)
        }
        let estimate = exponent.double * log10(abs(base.double))
        guard estimate < 38 else { throw DecimalMath.overflow }
        var scale = max(significant - Int(max(estimate, -1000)), least)
        scale = min(scale, DecimalMath.digitsMax)
        if estimate < -70 { return Numeric(0, scale: scale) }
        if isWhole { scale = min(max(significant, least), DecimalMath.digitsMax) }
        if isWhole, let exact = exactPower(base, whole) {
            var shown = scale
            while shown >= 0 {
                if let result = exact.rescaled(shown) { return result }
                shown -= 1
            }
        }
        let log = try naturalLog(NumericMath.absolute(base))
        guard let product = DecimalMath.multiply(log, exponent.mantissa, droppingDigits: Int(exponent.scale) + 2) else {
            throw DecimalMath.overflow
        }
        let result = try expFixed(product, places - 2, scale)
        return base.mantissa < 0 && whole % 2 != 0 ? NumericMath.negate(result) : result
    }

    /// base^exponent when 38 digits hold it exactly.
    private static func exactPower(_ base: Numeric, _ exponent: Int128) -> Numeric? {
        guard exponent >= 0, exponent <= 128, Int(base.scale) * Int(exponent) <= DecimalMath.digitsMax else {
            return nil
        }
        var mantissa: Int128 = 1
        for _ in 0..<Int(exponent) {
            guard let next = DecimalMath.multiply(mantissa, base.mantissa) else { return nil }
            mantissa = next
        }
        return Numeric(mantissa, scale: Int(base.scale) * Int(exponent))
    }
}
