// Arithmetic on variable-scale numerics with PostgreSQL's result scales (numeric.c). Hot.
// A result that 38 digits do not hold loses fractional digits before it fails.
import Columns
import Diagnostics

enum NumericMath {
    /// PostgreSQL's NUMERIC_MIN_SIG_DIGITS: significant digits a quotient has at least.
    static let significantDigits = 16
    private static let max38 = DecimalMath.digitsMax

    @inline(__always)
    static func negate(_ a: Numeric) -> Numeric {
        if a.isFinite { return Numeric(0 &- a.mantissa, scale: Int(a.scale)) }
        return a.isNaN ? a : (a.mantissa > 0 ? .negativeInfinity : .infinity)
    }

    @inline(__always)
    static func absolute(_ a: Numeric) -> Numeric { a.mantissa < 0 && !a.isNaN ? negate(a) : a }

    static func isZero(_ a: Numeric) -> Bool { a.mantissa == 0 }

    static func sign(_ a: Numeric) -> Int { a.mantissa > 0 ? 1 : (a.mantissa < 0 ? -1 : 0) }

    // MARK: Sums and products

    @inline(__always)
    static func add(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        if a.scale == b.scale, a.isFinite, b.isFinite {
            let (sum, overflow) = a.mantissa.addingReportingOverflow(b.mantissa)
            if !overflow, DecimalMath.fits(sum) { return Numeric(sum, scale: Int(a.scale)) }
        }
        return try addSlowly(a, b)
    }

    private static func addSlowly(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        guard a.isFinite, b.isFinite else {
            if a.isNaN || b.isNaN { return .nan }
            if !a.isFinite, !b.isFinite { return a.mantissa == b.mantissa ? a : .nan }
            return a.isFinite ? b : a
        }
        var scale = Int(max(a.scale, b.scale))
        while scale >= 0 {
            if let x = a.rescaled(scale), let y = b.rescaled(scale),
                let sum = DecimalMath.add(x.mantissa, y.mantissa)
            {
                return Numeric(sum, scale: scale)
            }
            scale -= 1
        }
        throw DecimalMath.overflow
    }

    @inline(__always)
    static func multiply(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        if a.isFinite, b.isFinite, a.scale + b.scale <= 38 {
            let (product, overflow) = a.mantissa.multipliedReportingOverflow(by: b.mantissa)
            if !overflow, DecimalMath.fits(product) { return Numeric(product, scale: Int(a.scale + b.scale)) }
        }
        return try multiplySlowly(a, b)
    }

    private static func multiplySlowly(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        guard a.isFinite, b.isFinite else {
            if a.isNaN || b.isNaN || isZero(a) || isZero(b) { return .nan }
            return sign(a) == sign(b) ? .infinity : .negativeInfinity
        }
        let full = Int(a.scale + b.scale)
        var scale = min(full, max38)
        while scale >= 0 {
            if let product = DecimalMath.multiply(a.mantissa, b.mantissa, droppingDigits: full - scale) {
                return Numeric(product, scale: scale)
            }
            scale -= 1
        }
        throw DecimalMath.overflow
    }

    // MARK: Quotients

    /// The power of 10000 that a number begins with, and its first digit in that base.
    private static func weight(_ a: Numeric) -> (weight: Int, digit: Int) {
        let magnitude = a.mantissa.magnitude
        guard magnitude != 0 else { return (0, 0) }
        let exponent = DecimalMath.digits(magnitude) - 1 - Int(a.scale)
        let weight = exponent >= 0 ? exponent / 4 : -((3 - exponent) / 4)
        // The digits of the mantissa that lie above 10000^weight.
        let shift = Int(a.scale) + weight * 4
        if shift >= 0 {
            return (weight, shift > max38 ? 0 : Int(magnitude / UInt128(DecimalMath.powers[shift])))
        }
        return (weight, Int(magnitude * UInt128(DecimalMath.powers[-shift])))
    }

    /// select_div_scale: at least 16 significant digits, and no fewer fractional digits than either side.
    static func divisionScale(_ a: Numeric, _ b: Numeric) -> Int {
        let (x, y) = (weight(a), weight(b))
        var quotientWeight = x.weight - y.weight
        if x.digit <= y.digit { quotientWeight -= 1 }
        let scale = significantDigits - quotientWeight * 4
        return max(scale, Int(a.scale), Int(b.scale), 0)
    }

    static func divide(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        guard a.isFinite, b.isFinite else { return try divideSpecial(a, b) }
        guard b.mantissa != 0 else { throw Arithmetic.divisionByZero }
        var scale = min(divisionScale(a, b), max38)
        while scale >= 0 {
            if let quotient = DecimalMath.divide(a.mantissa, shift: scale + Int(b.scale) - Int(a.scale), by: b.mantissa)
            {
                return Numeric(quotient, scale: scale)
            }
            scale -= 1
        }
        throw DecimalMath.overflow
    }

    private static func divideSpecial(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        if a.isNaN || b.isNaN { return .nan }
        if b.isFinite {
            if isZero(b) { throw Arithmetic.divisionByZero }
            return sign(a) == sign(b) ? .infinity : .negativeInfinity
        }
        return a.isFinite ? Numeric(0, scale: 0) : .nan
    }

    static func remainder(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        guard a.isFinite, b.isFinite else {
            if a.isNaN || b.isNaN { return .nan }
            if b.isFinite {
                if isZero(b) { throw Arithmetic.divisionByZero }
                return .nan
            }
            return a.isFinite ? a : .nan
        }
        guard b.mantissa != 0 else { throw Arithmetic.divisionByZero }
        let scale = Int(max(a.scale, b.scale))
        guard let x = a.rescaled(scale), let y = b.rescaled(scale) else {
            // One side does not fit at the other's scale: a is small, or a's remainder is found digit by digit.
            return try remainderWide(a, b, scale)
        }
        return Numeric(y.mantissa == -1 ? 0 : x.mantissa % y.mantissa, scale: scale)
    }

    private static func remainderWide(_ a: Numeric, _ b: Numeric, _ scale: Int) throws(SQLError) -> Numeric {
        guard let y = b.rescaled(scale) else { return a }
        let divisor = y.mantissa.magnitude
        var rest = a.mantissa.magnitude % divisor
        for _ in 0..<(scale - Int(a.scale)) {
            let wide = rest.multipliedFullWidth(by: 10)
            rest = divisor.dividingFullWidth((wide.high, wide.low)).remainder
        }
        let signed = Int128(rest)
        return Numeric(a.mantissa < 0 ? -signed : signed, scale: scale)
    }

    /// div(): the whole part of the quotient.
    static func wholeQuotient(_ a: Numeric, _ b: Numeric) throws(SQLError) -> Numeric {
        guard a.isFinite, b.isFinite else { return try divideSpecial(a, b) }
        guard b.mantissa != 0 else { throw Arithmetic.divisionByZero }
        let rest = try remainder(a, b)
        let exact = try add(a, negate(rest))
        guard let quotient = DecimalMath.divide(exact.mantissa, shift: Int(b.scale) - Int(exact.scale), by: b.mantissa)
        else { throw DecimalMath.overflow }
        return Numeric(quotient, scale: 0)
    }

    // MARK: Rounding

    enum Rounding: Sendable { case nearest, down, floor, ceiling }

    /// Brings a value to numeric(precision, scale), where the precision is more than a fixed decimal has.
    static func fitted(_ x: Numeric, precision: Int, scale: Int) throws(SQLError) -> Numeric {
        guard x.isFinite || x.isNaN else {
            var error = DecimalMath.overflow(precision: precision, scale: scale)
            error.detail = "A field with precision \(precision), scale \(scale) cannot hold an infinite value."
            throw error
        }
        return try round(x, scale, .nearest)
    }

    /// Rounds to a number of fractional digits, which may be negative.
    static func round(_ a: Numeric, _ digits: Int, _ rounding: Rounding) throws(SQLError) -> Numeric {
        guard a.isFinite else { return a }
        let target = min(digits, max38)
        if target >= Int(a.scale) {
            // PostgreSQL pads with zeros; more digits than fit are left out.
            var padded = target
            while padded > Int(a.scale) {
                if let result = a.rescaled(padded) { return result }
                padded -= 1
            }
            return a
        }
        let shift = Int(a.scale) - target
        let shown = max(0, target)
        guard shift <= max38 else {
            let isUp = (rounding == .ceiling && a.mantissa > 0) || (rounding == .floor && a.mantissa < 0)
            if isUp { throw DecimalMath.overflow }
            return Numeric(0, scale: shown)
        }
        let power = DecimalMath.pow10(shift)
        var quotient: Int128
        switch rounding {
        case .nearest: quotient = DecimalMath.divideRounded(a.mantissa, power)
        case .down: quotient = a.mantissa / power
        case .floor:
            quotient = a.mantissa / power
            if a.mantissa < 0, a.mantissa % power != 0 { quotient -= 1 }
        case .ceiling:
            quotient = a.mantissa / power
            if a.mantissa > 0, a.mantissa % power != 0 { quotient += 1 }
        }
        if target < 0 {
            guard let raised = DecimalMath.multiply(quotient, DecimalMath.pow10(-target)) else {
                throw DecimalMath.overflow
            }
            return Numeric(raised, scale: 0)
        }
        return Numeric(quotient, scale: shown)
    }
}
