// Between decimals and binary floating point: correctly rounded both ways.
import Glibc

extension DecimalMath {
    /// Mantissas below 2^53 and powers of ten up to 10^22 are exact doubles.
    private static let exactPowers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// The double nearest to mantissa / 10^scale.
    public static func double(_ mantissa: Int128, scale: Int) -> Double {
        if mantissa.magnitude <= 1 << 53, scale <= 22 { return Double(Int64(mantissa)) / exactPowers[scale] }
        if scale == 0 { return Double(mantissa) }
        return strtod("\(mantissa)e-\(scale)", nil)
    }

    /// A double rounded to a number of significant digits, without trailing zeros after the point; nil when too big.
    static func significant(_ value: Double, _ digits: Int) -> Numeric? {
        var buffer = [CChar](repeating: 0, count: 64)
        let written = buffer.withUnsafeMutableBufferPointer { target in
            withVaList([Int32(digits - 1), value]) { vsnprintf(target.baseAddress, target.count, "%.*e", $0) }
        }
        guard written > 0, written < buffer.count else { return nil }
        var mantissa: Int128 = 0
        var fraction = 0
        var sawPoint = false
        var index = 0
        let isNegative = buffer[0] == 45
        if isNegative { index = 1 }
        while index < written, buffer[index] != 101 {
            if buffer[index] == 46 {
                sawPoint = true
            } else {
                mantissa = mantissa * 10 + Int128(buffer[index] - 48)
                if sawPoint { fraction += 1 }
            }
            index += 1
        }
        var exponent = 0
        var isExponentNegative = false
        index += 1
        while index < written {
            if buffer[index] == 45 {
                isExponentNegative = true
            } else if buffer[index] != 43 {
                exponent = exponent * 10 + Int(buffer[index] - 48)
            }
            index += 1
        }
        var scale = fraction - (isExponentNegative ? -exponent : exponent)
        while scale > 0, mantissa % 10 == 0 {
            mantissa /= 10
            scale -= 1
        }
        if isNegative { mantissa = -mantissa }
        if scale < 0 { return rescale(mantissa, from: scale, to: 0).map { Numeric($0, scale: 0) } }
        if scale > digitsMax {
            return rescale(mantissa, from: scale, to: digitsMax).map { Numeric($0, scale: digitsMax) }
        }
        return Numeric(mantissa, scale: scale)
    }
}
