// 256-bit integers: sums of squares that 128 bits do not hold.
import Columns

/// A signed 256-bit integer with the few operations that variances need.
struct WideInteger: BitwiseCopyable {
    private(set) var high: Int128
    private(set) var low: UInt128

    static var zero: WideInteger { WideInteger(high: 0, low: 0) }

    init(high: Int128, low: UInt128) {
        self.high = high
        self.low = low
    }

    init(_ value: Int128) {
        high = value < 0 ? -1 : 0
        low = UInt128(truncatingIfNeeded: value)
    }

    /// The full product.
    init(_ a: Int128, times b: Int128) {
        let product = a.multipliedFullWidth(by: b)
        high = product.high
        low = product.low
    }

    /// Adds, wrapping: 2^255 is out of reach of sums of 76-digit squares.
    static func + (a: WideInteger, b: WideInteger) -> WideInteger {
        let (low, carry) = a.low.addingReportingOverflow(b.low)
        return WideInteger(high: a.high &+ b.high &+ (carry ? 1 : 0), low: low)
    }

    static prefix func - (a: WideInteger) -> WideInteger {
        let (low, carry) = (~a.low).addingReportingOverflow(1)
        return WideInteger(high: ~a.high &+ (carry ? 1 : 0), low: low)
    }

    var isNegative: Bool { high < 0 }
    var isZero: Bool { high == 0 && low == 0 }

    /// Multiplies by a factor of at most 2^63; nil beyond 255 bits.
    func multiplied(by factor: UInt128) -> WideInteger? {
        let magnitude = isNegative ? -self : self
        let low = magnitude.low.multipliedFullWidth(by: factor)
        let (high, overflow) = UInt128(truncatingIfNeeded: magnitude.high).multipliedReportingOverflow(by: factor)
        let (sum, carry) = high.addingReportingOverflow(low.high)
        guard !overflow, !carry, sum >> 127 == 0 else { return nil }
        let product = WideInteger(high: Int128(truncatingIfNeeded: sum), low: low.low)
        return isNegative ? -product : product
    }

    /// Divides a magnitude by a power of ten, cutting.
    private func divided(by divisor: UInt128) -> WideInteger {
        let upper = UInt128(truncatingIfNeeded: high).quotientAndRemainder(dividingBy: divisor)
        let lower = divisor.dividingFullWidth((upper.remainder, low)).quotient
        return WideInteger(high: Int128(truncatingIfNeeded: upper.quotient), low: lower)
    }

    /// The numeric with `scale` fractional digits; digits beyond 38 are cut from the right. Nil when the whole part
    /// has more.
    func numeric(scale: Int) -> Numeric? {
        var value = isNegative ? -self : self
        var left = scale
        while left > DecimalMath.digitsMax || value.high != 0 || value.low >= UInt128(DecimalMath.limit) {
            guard left > 0 else { return nil }
            value = value.divided(by: 10)
            left -= 1
        }
        let mantissa = Int128(truncatingIfNeeded: value.low)
        return Numeric(isNegative ? -mantissa : mantissa, scale: left)
    }
}
