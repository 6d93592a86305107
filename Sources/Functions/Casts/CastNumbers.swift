// Casts between integers, floats, fixed decimals, numeric and boolean. Hot.
import Columns
import Diagnostics
import Glibc

enum CastNumbers {
    static func kernel(_ from: SQLType, _ to: SQLType) -> Kernel? {
        if from == .boolean { return fromBoolean(to) }
        if to == .boolean { return toBoolean(from) }
        switch from {
        case .int2: return integer(Int16.self, to)
        case .int4: return integer(Int32.self, to)
        case .int8: return integer(Int64.self, to)
        case .float4: return float(Float.self, to, digits: 6)
        case .float8: return float(Double.self, to, digits: 15)
        case .decimal(_, let scale):
            return from.physical == .int64
                ? decimal(Int64.self, from, scale, to) : decimal(Int128.self, from, scale, to)
        case .numeric: return numeric(to)
        default: return nil
        }
    }

    // MARK: Boolean

    private static func fromBoolean(_ to: SQLType) -> Kernel? {
        switch to {
        case .int2:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: UInt8) -> Int16 in Int16(x) } }
        case .int4:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: UInt8) -> Int32 in Int32(x) } }
        case .int8:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: UInt8) -> Int64 in Int64(x) } }
        default: return nil
        }
    }

    private static func toBoolean(_ from: SQLType) -> Kernel? {
        switch from {
        case .int2: return nonZero(Int16.self)
        case .int4: return nonZero(Int32.self)
        case .int8: return nonZero(Int64.self)
        case .float4: return nonZero(Float.self)
        case .float8: return nonZero(Double.self)
        case .decimal(let precision, _): return precision <= 18 ? nonZero(Int64.self) : nonZero(Int128.self)
        case .numeric:
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, .boolean) { (x: Numeric) -> UInt8 in x.mantissa != 0 ? 1 : 0 }
            }
        default: return nil
        }
    }

    @inline(__always)
    private static func nonZero<T: Swift.Numeric & BitwiseCopyable & Sendable>(_: T.Type) -> Kernel {
        { (_, a, n) throws(SQLError) in
            Loops.unary(a[0], n, .boolean) { (x: T) -> UInt8 in unsafeBitCast(x != 0, to: UInt8.self) }
        }
    }

    // MARK: Integers

    @inline(__always)
    private static func integer<T: FixedWidthInteger & SignedInteger & BitwiseCopyable & Sendable>(
        _: T.Type, _ to: SQLType
    ) -> Kernel? {
        switch to {
        case .int2: return narrowed(T.self, Int16.self, to)
        case .int4: return narrowed(T.self, Int32.self, to)
        case .int8:
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: T) -> Int64 in Int64(truncatingIfNeeded: x) }
            }
        case .float4:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: T) -> Float in Float(x) } }
        case .float8:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: T) -> Double in Double(x) } }
        case .numeric:
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: T) -> Numeric in Numeric(Int128(truncatingIfNeeded: x), scale: 0) }
            }
        case .decimal(let precision, let scale):
            let digits = T.bitWidth == 16 ? 5 : (T.bitWidth == 32 ? 10 : 19)
            return scaled(T.self, 0, digits, to, precision, scale)
        default: return nil
        }
    }

    @inline(__always)
    private static func narrowed<T, R>(_: T.Type, _: R.Type, _ to: SQLType) -> Kernel
    where
        T: FixedWidthInteger & BitwiseCopyable & Sendable, R: FixedWidthInteger & BitwiseCopyable & Sendable
    {
        { (_, a, n) throws(SQLError) in
            var mask: T = 0
            let made = Loops.unary(a[0], n, to) { (x: T) -> R in
                let result = R(truncatingIfNeeded: x)
                mask |= x ^ T(truncatingIfNeeded: result)
                return result
            }
            if mask == 0 { return made }
            return try Loops.unaryThrowing(a[0], n, to) { (x: T) throws(SQLError) -> R in
                guard let result = R(exactly: x) else { throw Arithmetic.outOfRange(to) }
                return result
            }
        }
    }

    // MARK: Decimals

    /// From a mantissa of a scale to a decimal type.
    @inline(__always)
    private static func scaled<T: FixedWidthInteger & SignedInteger & BitwiseCopyable & Sendable>(
        _: T.Type, _ fromScale: Int, _ fromPrecision: Int, _ to: SQLType, _ precision: Int, _ scale: Int
    ) -> Kernel {
        let isWidening = scale >= fromScale && precision - scale >= fromPrecision - fromScale
        if isWidening {
            let power = DecimalMath.pow10(scale - fromScale)
            if to.physical == .int64 {
                let factor = Int64(power)
                return { (_, a, n) throws(SQLError) in
                    if factor == 1, a[0].physical == .int64 { return a[0].retyped(to) }
                    return Loops.unary(a[0], n, to) { (x: T) -> Int64 in Int64(truncatingIfNeeded: x) &* factor }
                }
            }
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: T) -> Int128 in Int128(truncatingIfNeeded: x) &* power }
            }
        }
        let limit = DecimalMath.pow10(precision)
        if to.physical == .int64 {
            return { (_, a, n) throws(SQLError) in
                try Loops.unaryThrowing(a[0], n, to) { (x: T) throws(SQLError) -> Int64 in
                    let value = try rescale(Int128(truncatingIfNeeded: x), fromScale, scale, limit, precision)
                    return Int64(truncatingIfNeeded: value)
                }
            }
        }
        return { (_, a, n) throws(SQLError) in
            try Loops.unaryThrowing(a[0], n, to) { (x: T) throws(SQLError) -> Int128 in
                try rescale(Int128(truncatingIfNeeded: x), fromScale, scale, limit, precision)
            }
        }
    }

    @inline(__always)
    private static func rescale(
        _ mantissa: Int128, _ from: Int, _ to: Int, _ limit: Int128, _ precision: Int
    ) throws(SQLError) -> Int128 {
        guard let value = DecimalMath.rescale(mantissa, from: from, to: to), value < limit, value > -limit else {
            throw DecimalMath.overflow(precision: precision, scale: to)
        }
        return value
    }

    @inline(__always)
    private static func decimal<T: FixedWidthInteger & SignedInteger & BitwiseCopyable & Sendable>(
        _: T.Type, _ from: SQLType, _ scale: Int, _ to: SQLType
    ) -> Kernel? {
        guard case .decimal(let precision, _) = from else { return nil }
        switch to {
        case .int2: return whole(T.self, scale, Int16.self, to)
        case .int4: return whole(T.self, scale, Int32.self, to)
        case .int8: return whole(T.self, scale, Int64.self, to)
        case .float8:
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: T) -> Double in
                    DecimalMath.double(Int128(truncatingIfNeeded: x), scale: scale)
                }
            }
        case .float4:
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: T) -> Float in
                    Float(DecimalMath.double(Int128(truncatingIfNeeded: x), scale: scale))
                }
            }
        case .numeric:
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: T) -> Numeric in
                    Numeric(Int128(truncatingIfNeeded: x), scale: scale)
                }
            }
        case .decimal(let newPrecision, let newScale):
            return scaled(T.self, scale, precision, to, newPrecision, newScale)
        default: return nil
        }
    }

    /// Rounds half away from zero.
    @inline(__always)
    private static func whole<T, R>(_: T.Type, _ scale: Int, _: R.Type, _ to: SQLType) -> Kernel
    where
        T: FixedWidthInteger & BitwiseCopyable & Sendable, R: FixedWidthInteger & BitwiseCopyable & Sendable
    {
        let power = DecimalMath.pow10(scale)
        return { (_, a, n) throws(SQLError) in
            try Loops.unaryThrowing(a[0], n, to) { (x: T) throws(SQLError) -> R in
                let rounded = DecimalMath.divideRounded(Int128(truncatingIfNeeded: x), power)
                guard let result = R(exactly: rounded) else { throw Arithmetic.outOfRange(to) }
                return result
            }
        }
    }

    // MARK: Numeric

    private static func numeric(_ to: SQLType) -> Kernel? {
        switch to {
        case .int2: return numericWhole(Int16.self, to)
        case .int4: return numericWhole(Int32.self, to)
        case .int8: return numericWhole(Int64.self, to)
        case .float8:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: Numeric) -> Double in x.double } }
        case .float4:
            return Rowwise.unary(to) { (x: Numeric) throws(SQLError) -> Float in try narrow(x.double) }
        case .decimal(let precision, let scale):
            let limit = DecimalMath.pow10(precision)
            if to.physical == .int64 {
                return Rowwise.unary(to) { (x: Numeric) throws(SQLError) -> Int64 in
                    Int64(truncatingIfNeeded: try fixed(x, scale, limit, precision))
                }
            }
            return Rowwise.unary(to) { (x: Numeric) throws(SQLError) -> Int128 in
                try fixed(x, scale, limit, precision)
            }
        default: return nil
        }
    }

    private static func fixed(
        _ x: Numeric, _ scale: Int, _ limit: Int128, _ precision: Int
    ) throws(SQLError) -> Int128 {
        guard x.isFinite else {
            var error = DecimalMath.overflow(precision: precision, scale: scale)
            error.detail =
                "A field with precision \(precision), scale \(scale) cannot hold \(x.isNaN ? "NaN" : "an infinite value")."
            throw error
        }
        return try rescale(x.mantissa, Int(x.scale), scale, limit, precision)
    }

    private static func numericWhole<R: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _: R.Type, _ to: SQLType
    ) -> Kernel {
        Rowwise.unary(to) { (x: Numeric) throws(SQLError) -> R in
            guard x.isFinite else {
                throw SQLError(.featureNotSupported, "cannot convert \(x.isNaN ? "NaN" : "infinity") to \(to.name)")
            }
            let rounded = DecimalMath.divideRounded(x.mantissa, DecimalMath.pow10(Int(x.scale)))
            guard let result = R(exactly: rounded) else { throw Arithmetic.outOfRange(to) }
            return result
        }
    }

    // MARK: Floats

    private static func float<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>(
        _: T.Type, _ to: SQLType, digits: Int
    ) -> Kernel? {
        switch to {
        case .int2: return floatWhole(T.self, Int16.self, to)
        case .int4: return floatWhole(T.self, Int32.self, to)
        case .int8: return floatWhole(T.self, Int64.self, to)
        case .float4: return Rowwise.unary(to) { (x: T) throws(SQLError) -> Float in try narrow(Double(x)) }
        case .float8:
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: T) -> Double in Double(x) } }
        case .numeric:
            return Rowwise.unary(to) { (x: T) throws(SQLError) -> Numeric in try numeric(Double(x), digits) }
        case .decimal(let precision, let scale):
            let limit = DecimalMath.pow10(precision)
            if to.physical == .int64 {
                return Rowwise.unary(to) { (x: T) throws(SQLError) -> Int64 in
                    Int64(truncatingIfNeeded: try fixed(numeric(Double(x), digits), scale, limit, precision))
                }
            }
            return Rowwise.unary(to) { (x: T) throws(SQLError) -> Int128 in
                try fixed(numeric(Double(x), digits), scale, limit, precision)
            }
        default: return nil
        }
    }

    /// The numeric of a float's significant digits.
    static func numeric(_ value: Double, _ digits: Int) throws(SQLError) -> Numeric {
        guard let result = Numeric(value, significantDigits: digits) else { throw DecimalMath.overflow }
        return result
    }

    private static func narrow(_ value: Double) throws(SQLError) -> Float {
        let result = Float(value)
        if result.isInfinite, !value.isInfinite { throw Arithmetic.floatOverflow }
        if result == 0, value != 0 { throw Arithmetic.floatUnderflow }
        return result
    }

    /// Rounds half to even.
    @inline(__always)
    private static func floatWhole<T, R>(_: T.Type, _: R.Type, _ to: SQLType) -> Kernel
    where
        T: BinaryFloatingPoint & BitwiseCopyable & Sendable, R: FixedWidthInteger & BitwiseCopyable & Sendable
    {
        Rowwise.unary(to) { (x: T) throws(SQLError) -> R in
            guard let result = R(exactly: x.rounded(.toNearestOrEven)) else { throw Arithmetic.outOfRange(to) }
            return result
        }
    }
}
