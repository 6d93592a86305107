// Floats to the shortest decimal that reads back as the same float, laid out as PostgreSQL does. Hot.
import Glibc

extension TextForm {
    /// Fractional digits that the quick path tries.
    private static let quickScaleMax = 6

    /// Writes a double: plain below 10^15 and from 10^-4, else with an exponent of at least two digits.
    public static func write(double value: Double, to start: UnsafeMutablePointer<UInt8>) -> Int {
        guard value.isFinite else {
            return write(value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity", to: start)
        }
        var at = start
        if value.sign == .minus {
            at[0] = 45
            at += 1
        }
        let magnitude = value.magnitude
        // Most doubles in tables are short decimals: the smallest scale at which mantissa / 10^scale, which is exactly
        // rounded, gives the value back is the shortest form, and with 15 digits it is the only one.
        if magnitude < 1e15, magnitude >= 1e-4 || magnitude == 0 {
            var power = 1.0
            var scale = 0
            while scale <= quickScaleMax {
                let mantissa = (magnitude * power).rounded()
                guard mantissa < 1e15 else { break }
                if mantissa / power == magnitude {
                    at += write(decimal: Int64(mantissa), scale: scale, to: at)
                    return at - start
                }
                power *= 10
                scale &+= 1
            }
        }
        var found = Shortest(magnitude.description)
        let significand = magnitude.significandBitPattern | 1 << 52
        if found.isHalfway(of: significand) { found = Shortest.exactly(magnitude, significand) }
        return (at - start) &+ found.write(plainBelow: 15, to: at)
    }

    /// Writes a single-precision float: plain below 10^6 and from 10^-4.
    public static func write(float value: Float, to start: UnsafeMutablePointer<UInt8>) -> Int {
        guard value.isFinite else {
            return write(value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity", to: start)
        }
        var at = start
        if value.sign == .minus {
            at[0] = 45
            at += 1
        }
        let magnitude = value.magnitude
        if magnitude < 1e6, magnitude >= 1e-4 || magnitude == 0 {
            var power = 1.0
            var scale = 0
            while scale <= quickScaleMax {
                let mantissa = (Double(magnitude) * power).rounded()
                guard mantissa < 1e6 else { break }
                if Float(mantissa / power) == magnitude {
                    at += write(decimal: Int64(mantissa), scale: scale, to: at)
                    return at - start
                }
                power *= 10
                scale &+= 1
            }
        }
        var found = Shortest(magnitude.description)
        let significand = UInt64(magnitude.significandBitPattern) | 1 << 23
        if found.isHalfway(of: significand) { found = Shortest.exactly(magnitude, significand) }
        return (at - start) &+ found.write(plainBelow: 6, to: at)
    }
}

/// Decimal digits and an exponent: `digits * 10^exponent`.
private struct Shortest {
    var digits: UInt64 = 0
    var exponent = 0

    /// Reads what Swift prints: digits, a point, an exponent.
    init(_ text: String) {
        var copy = text
        var scale = 0
        var hasPoint = false
        var power = 0
        copy.withUTF8 { bytes in
            var at = 0
            while at < bytes.count, bytes[at] != 101 {
                if bytes[at] == 46 {
                    hasPoint = true
                } else {
                    digits = digits &* 10 &+ UInt64(bytes[at] &- 48)
                    if hasPoint { scale += 1 }
                }
                at += 1
            }
            guard at < bytes.count else { return }
            at += 1
            let isNegative = at < bytes.count && bytes[at] == 45
            if at < bytes.count, isNegative || bytes[at] == 43 { at += 1 }
            while at < bytes.count {
                power = power * 10 + Int(bytes[at] &- 48)
                at += 1
            }
            if isNegative { power = -power }
        }
        exponent = power - scale
        normalize()
    }

    /// The fewest digits of those closest to the value that read back as it and lie within the float's bounds.
    static func exactly<T: BinaryFloatingPoint & LosslessStringConvertible>(_ value: T, _ significand: UInt64)
        -> Shortest
    {
        var found = Shortest("0")
        for count in 1...17 {
            var room = [CChar](repeating: 0, count: 40)
            _ = withVaList([Double(value)]) { vsnprintf(&room, room.count, "%.\(count - 1)e", $0) }
            let text = String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            found = Shortest(text)
            if T(text) == value, !found.isHalfway(of: significand) { break }
        }
        return found
    }

    private mutating func normalize() {
        while digits != 0, digits % 10 == 0 {
            digits /= 10
            exponent += 1
        }
    }

    /// Whether the decimal lies exactly between two floats, where PostgreSQL takes one more digit. `significand` is
    /// that of the float with its hidden bit.
    func isHalfway(of significand: UInt64) -> Bool {
        // 5^27 is the last power within 64 bits; more has too many bits to be a bound of a float.
        guard exponent >= 0, exponent <= 27, digits != 0 else { return false }
        var odd = UInt128(digits >> UInt64(digits.trailingZeroBitCount))
        for _ in 0..<exponent { odd *= 5 }
        let doubled = UInt128(significand) * 2
        // Below a power of two floats are twice as dense, and the bound is half as far away.
        let isPower = significand & (significand - 1) == 0
        return odd == doubled + 1 || (isPower ? odd == doubled * 2 - 1 : odd == doubled - 1)
    }

    func write(plainBelow plainMax: Int, to start: UnsafeMutablePointer<UInt8>) -> Int {
        let count = TextForm.digits(digits)
        let point = exponent + count - 1
        if point >= -4, point < plainMax {
            if exponent <= 0 { return TextForm.write(decimal: Int128(digits), scale: -exponent, to: start) }
            TextForm.writeDigits(digits, count: count, to: start)
            memset(start + count, 48, exponent)
            return count + exponent
        }
        var at = start + 1
        TextForm.writeDigits(digits, count: count, to: at)
        start[0] = start[1]
        if count > 1 {
            start[1] = 46
            at += count
        }
        at[0] = 101
        at[1] = point < 0 ? 45 : 43
        at += 2
        let size = abs(point)
        if size < 10 {
            at[0] = 48
            at += 1
        }
        return at - start + TextForm.write(unsigned: UInt64(size), to: at)
    }
}
