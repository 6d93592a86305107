// Mathematics: rounding, roots, powers, logarithms, trigonometry, number theory.
import Columns
import Diagnostics
import Glibc

enum MathFunctions {
    static let all: [Overload] =
        fromOperators + roundings + numericFunctions + floatFunctions + integerFunctions + buckets + random

    /// ^ |/ ||/ as operators.
    static let operators: [Overload] = [
        power("^")[0], power("^")[1], LikeOperators.prefixOperator,
        float1("|/", squareRoot), float1("||/") { (x) throws(SQLError) in cbrt(x) },
    ]

    /// The absolute value and the remainder are operators under other names.
    private static let fromOperators: [Overload] =
        Arithmetic.all.filter { $0.name == "@" }.map { $0.renamed("abs") }
        + Arithmetic.all.filter { $0.name == "%" && $0.parameters.count == 2 }.map { $0.renamed("mod") }

    // MARK: Rounding

    private static let roundings: [Overload] =
        rounding(["round"], .nearest) { $0.rounded(.toNearestOrEven) }
        + rounding(["trunc"], .down) { $0.rounded(.towardZero) }
        + rounding(["ceil", "ceiling"], .ceiling) { $0.rounded(.up) }
        + rounding(["floor"], .floor) { $0.rounded(.down) }
        + [digits("round", .nearest), digits("trunc", .down), signs[0], signs[1]]

    private static func rounding(
        _ names: [String], _ mode: NumericMath.Rounding, _ round: @escaping @Sendable (Double) -> Double
    ) -> [Overload] {
        names.flatMap { name in
            [
                Overload(name, [.float8], .float8, canFail: false) { (_, a, rows) throws(SQLError) in
                    Loops.unary(a[0], rows, .float8) { (x: Double) -> Double in round(x) }
                },
                Overload(name, [.type(.numeric)], canFail: false) { (call) throws(SQLError) in
                    rounded(call.types[0], to: 0, mode)
                },
            ]
        }
    }

    /// round(x, n) and trunc(x, n): a constant n settles the scale of decimals.
    private static func digits(_ name: String, _ mode: NumericMath.Rounding) -> Overload {
        Overload(name, [.type(.numeric), .type(.int4)]) { (call) throws(SQLError) in
            if case .int(let wanted)? = call.literal(1)?.value, wanted >= 0, wanted <= 38,
                let form = TypeRules.fixed(call.types[0]),
                form.precision - form.scale + Int(wanted) + 1 <= SQLType.precisionMax
            {
                var binding = rounded(call.types[0], to: Int(wanted), mode)
                binding.arguments.append(.int4)
                return binding
            }
            return Binding(
                arguments: [.numeric, .int4], result: .numeric,
                kernel: Rowwise.binary(.numeric) { (x: Numeric, n: Int32) throws(SQLError) -> Numeric in
                    try NumericMath.round(x, Int(n), mode)
                })
        }
    }

    /// Rounds a numeric to a known number of fractional digits.
    private static func rounded(_ type: SQLType, to scale: Int, _ mode: NumericMath.Rounding) -> Binding {
        guard let form = TypeRules.fixed(type) else {
            return Binding(
                arguments: [.numeric], result: .numeric,
                kernel: Rowwise.unary(.numeric) { (x: Numeric) throws(SQLError) -> Numeric in
                    try NumericMath.round(x, scale, mode)
                })
        }
        let argument = SQLType.decimal(precision: form.precision, scale: form.scale)
        // One digit more for 9.9 that becomes 10.
        let precision = min(max(1, form.precision - form.scale + scale + (scale < form.scale ? 1 : 0)), 38)
        let result = SQLType.decimal(precision: precision, scale: scale)
        let from = form.scale
        let kernel: Kernel =
            switch (argument.physical, result.physical) {
            case (.int64, .int64): round(Int64.self, Int64.self, result, from, scale, mode)
            case (.int64, _): round(Int64.self, Int128.self, result, from, scale, mode)
            case (_, .int64): round(Int128.self, Int64.self, result, from, scale, mode)
            default: round(Int128.self, Int128.self, result, from, scale, mode)
            }
        return Binding(arguments: [argument], result: result, kernel: kernel)
    }

    private static func round<A, R>(
        _: A.Type, _: R.Type, _ type: SQLType, _ from: Int, _ to: Int, _ mode: NumericMath.Rounding
    ) -> Kernel
    where
        A: FixedWidthInteger & BitwiseCopyable & Sendable, R: FixedWidthInteger & BitwiseCopyable & Sendable
    {
        Rowwise.unary(type) { (x: A) throws(SQLError) -> R in
            let value = try NumericMath.round(Numeric(Int128(truncatingIfNeeded: x), scale: from), to, mode)
            return R(truncatingIfNeeded: value.mantissa)
        }
    }

    private static let signs: [Overload] = [
        Overload("sign", [.float8], .float8, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .float8) { (x: Double) -> Double in x > 0 ? 1 : (x < 0 ? -1 : 0) }
        },
        Overload("sign", [.numeric], .numeric, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .numeric) { (x: Numeric) -> Numeric in
                x.isNaN ? x : Numeric(Int128(NumericMath.sign(x)), scale: 0)
            }
        },
    ]

    // MARK: Numerics

    private static let numericFunctions: [Overload] =
        [
            numeric1("sqrt") { (x) throws(SQLError) in try NumericTranscendental.sqrt(x) },
            numeric1("exp") { (x) throws(SQLError) in try NumericTranscendental.exp(x) },
            numeric1("ln") { (x) throws(SQLError) in try NumericTranscendental.ln(x) },
            numeric1("log") { (x) throws(SQLError) in try NumericTranscendental.log(Numeric(10, scale: 0), x) },
            numeric1("log10") { (x) throws(SQLError) in try NumericTranscendental.log(Numeric(10, scale: 0), x) },
            numeric2("log") { (b, x) throws(SQLError) in try NumericTranscendental.log(b, x) },
            numeric2("div") { (x, y) throws(SQLError) in try NumericMath.wholeQuotient(x, y) },
            scale("scale") { $0 }, scale("min_scale", trimmed),
            numeric1("trim_scale") { (x) throws(SQLError) in trimmed(x) },
            Overload("numeric_fit", [.numeric, .int4, .int4], .numeric) { (_, a, rows) throws(SQLError) in
                // The digits are constants of the type.
                let (precision, scale) = (Int(Lane(a[1], Int32.self)[0]), Int(Lane(a[2], Int32.self)[0]))
                return try Loops.unaryThrowing(a[0], rows, .numeric) { (x: Numeric) throws(SQLError) -> Numeric in
                    try NumericMath.fitted(x, precision: precision, scale: scale)
                }
            },
            numeric2("gcd") { (x, y) throws(SQLError) in try commonDivisor(x, y) },
            numeric2("lcm") { (x, y) throws(SQLError) in
                let divisor = try commonDivisor(x, y)
                guard divisor.isFinite else { return divisor }
                let scale = Int(max(x.scale, y.scale))
                guard let a = x.rescaled(scale)?.mantissa, let b = y.rescaled(scale)?.mantissa,
                    let c = divisor.rescaled(scale)?.mantissa
                else { throw DecimalMath.overflow }
                guard c != 0 else { return Numeric(0, scale: scale) }
                guard let product = DecimalMath.multiply(a / c, b) else { throw DecimalMath.overflow }
                return Numeric(Int128(product.magnitude), scale: scale)
            },
            Overload(
                "factorial", [.int8], .numeric,
                Rowwise.unary(.numeric) { (n: Int64) throws(SQLError) -> Numeric in
                    guard n >= 0 else {
                        throw SQLError(.numericValueOutOfRange, "factorial of a negative number is undefined")
                    }
                    var product: Int128 = 1
                    var factor: Int64 = 2
                    while factor <= n {
                        guard let next = DecimalMath.multiply(product, Int128(factor)) else {
                            throw DecimalMath.overflow
                        }
                        product = next
                        factor += 1
                    }
                    return Numeric(product, scale: 0)
                }),
        ] + power("power") + power("pow")

    /// NaN and the infinities have no scale: NULL.
    private static func scale(_ name: String, _ form: @escaping @Sendable (Numeric) -> Numeric) -> Overload {
        Overload(name, [.numeric], .int4, canFail: false) { (_, a, rows) throws(SQLError) in
            let lane = Lane(a[0], Numeric.self)
            let made = Loops.unary(a[0], rows, .int4) { (x: Numeric) -> Int32 in form(x).scale }
            guard (0..<rows).contains(where: { !lane[$0].isFinite }) else { return made }
            let bits = Bitmap.make(rows, all: true)
            for row in 0..<rows where !lane[row].isFinite { Bitmap.clear(bits.pointer(UInt64.self), row) }
            return Column(.int4, count: rows, values: made.values, validity: Bitmap.and(made.validity, bits, rows))
        }
    }

    @Sendable
    private static func trimmed(_ x: Numeric) -> Numeric {
        var result = x
        while result.isFinite, result.scale > 0, result.mantissa % 10 == 0 {
            result = Numeric(result.mantissa / 10, scale: Int(result.scale) - 1)
        }
        return result
    }

    private static func commonDivisor(_ x: Numeric, _ y: Numeric) throws(SQLError) -> Numeric {
        guard x.isFinite, y.isFinite else { return .nan }
        let scale = Int(max(x.scale, y.scale))
        guard let a = x.rescaled(scale)?.mantissa, let b = y.rescaled(scale)?.mantissa else {
            throw DecimalMath.overflow
        }
        var (larger, smaller) = (a.magnitude, b.magnitude)
        while smaller != 0 { (larger, smaller) = (smaller, larger % smaller) }
        return Numeric(Int128(larger), scale: scale)
    }

    private static func power(_ name: String) -> [Overload] {
        [
            float2(name) { (x, y) throws(SQLError) in try power(x, y) },
            numeric2(name) { (x, y) throws(SQLError) in try NumericTranscendental.power(x, y) },
        ]
    }

    private static func numeric1(
        _ name: String, _ body: @escaping @Sendable (Numeric) throws(SQLError) -> Numeric
    ) -> Overload { Overload(name, [.numeric], .numeric, Rowwise.unary(.numeric, body)) }

    private static func numeric2(
        _ name: String, _ body: @escaping @Sendable (Numeric, Numeric) throws(SQLError) -> Numeric
    ) -> Overload { Overload(name, [.numeric, .numeric], .numeric, Rowwise.binary(.numeric, body)) }

    // MARK: Floats

    private static func float1(
        _ name: String, _ body: @escaping @Sendable (Double) throws(SQLError) -> Double
    ) -> Overload { Overload(name, [.float8], .float8, Rowwise.unary(.float8, body)) }

    private static func float2(
        _ name: String, _ body: @escaping @Sendable (Double, Double) throws(SQLError) -> Double
    ) -> Overload { Overload(name, [.float8, .float8], .float8, Rowwise.binary(.float8, body)) }

    private static let outOfRange = SQLError(.numericValueOutOfRange, "input is out of range")

    @Sendable
    private static func squareRoot(_ x: Double) throws(SQLError) -> Double {
        if x < 0 { throw SQLError(.invalidArgumentForPower, "cannot take square root of a negative number") }
        return x.squareRoot()
    }

    private static func power(_ x: Double, _ y: Double) throws(SQLError) -> Double {
        if x == 0, y < 0 { throw SQLError(.invalidArgumentForPower, "zero raised to a negative power is undefined") }
        if x < 0, y.isFinite, y.rounded(.down) != y {
            throw SQLError(
                .invalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
        }
        let result = pow(x, y)
        if x.isFinite, y.isFinite {
            if result.isInfinite { throw Arithmetic.floatOverflow }
            if result == 0, x != 0 { throw Arithmetic.floatUnderflow }
        }
        return result
    }

    private static func checkedLog(_ x: Double) throws(SQLError) {
        if x == 0 { throw SQLError(.invalidArgumentForLogarithm, "cannot take logarithm of zero") }
        if x < 0 { throw SQLError(.invalidArgumentForLogarithm, "cannot take logarithm of a negative number") }
    }

    private static let floatFunctions: [Overload] =
        plainFloats + circular + [
            float1("sqrt", squareRoot),
            float1("exp") { (x) throws(SQLError) in
                let result = exp(x)
                if result.isInfinite, !x.isInfinite { throw Arithmetic.floatOverflow }
                if result == 0, !x.isInfinite { throw Arithmetic.floatUnderflow }
                return result
            },
            float1("ln") { (x) throws(SQLError) in
                try checkedLog(x)
                return log(x)
            },
            float1("log") { (x) throws(SQLError) in
                try checkedLog(x)
                return log10(x)
            },
            float1("log10") { (x) throws(SQLError) in
                try checkedLog(x)
                return log10(x)
            },
            float1("log2") { (x) throws(SQLError) in
                try checkedLog(x)
                return log2(x)
            },
            float2("atan2") { (y, x) throws(SQLError) in atan2(y, x) },
            float2("atan2d") { (y, x) throws(SQLError) in atan2(y, x) / atan(1.0) * 45 },
            Overload("pi", [SQLType](), .float8, canFail: false) { (_, _, rows) throws(SQLError) in
                Column.constant(Scalar(.float8, .double(.pi)), count: rows)
            },
        ]

    /// Radians of one degree, as PostgreSQL has it.
    static let degree = 0.0174532925199432957692

    private static let plainFloats: [Overload] = [
        float1("cbrt") { (x) throws(SQLError) in cbrt(x) },
        float1("degrees") { (x) throws(SQLError) in
            let result = x / degree
            if result.isInfinite, x.isFinite { throw Arithmetic.floatOverflow }
            return result
        },
        float1("radians") { (x) throws(SQLError) in x * degree },
        float1("sinh") { (x) throws(SQLError) in sinh(x) },
        float1("cosh") { (x) throws(SQLError) in cosh(x) },
        float1("tanh") { (x) throws(SQLError) in tanh(x) },
        float1("asinh") { (x) throws(SQLError) in asinh(x) },
        float1("acosh") { (x) throws(SQLError) in
            if x < 1 { throw outOfRange }
            return acosh(x)
        },
        float1("atanh") { (x) throws(SQLError) in
            if abs(x) > 1 { throw outOfRange }
            return atanh(x)
        },
        float1("atan") { (x) throws(SQLError) in atan(x) },
        float1("atand") { (x) throws(SQLError) in atan(x) / atan(1.0) * 45 },
    ]

    /// Functions of angles: infinite ones have no value.
    private static let circular: [Overload] =
        [
            circle("sin") { sin($0) }, circle("cos") { cos($0) }, circle("tan") { tan($0) },
            circle("cot") { 1 / tan($0) },
            circle("sind") { Degrees.sine($0) }, circle("cosd") { Degrees.cosine($0) },
            circle("tand") { Degrees.sine($0) / Degrees.cosine($0) },
            circle("cotd") { Degrees.cosine($0) / Degrees.sine($0) },
            inverse("asin") { asin($0) }, inverse("acos") { acos($0) },
            inverse("asind") { Degrees.arcSine($0) }, inverse("acosd") { Degrees.arcCosine($0) },
        ]

    private static func circle(_ name: String, _ body: @escaping @Sendable (Double) -> Double) -> Overload {
        float1(name) { (x) throws(SQLError) in
            if x.isInfinite { throw outOfRange }
            return body(x)
        }
    }

    private static func inverse(_ name: String, _ body: @escaping @Sendable (Double) -> Double) -> Overload {
        float1(name) { (x) throws(SQLError) in
            if abs(x) > 1 { throw outOfRange }
            return body(x)
        }
    }

    // MARK: Integers

    private static let integerFunctions: [Overload] = [
        Overload(
            "gcd", [.int4, .int4], .int4,
            Rowwise.binary(.int4) { (x: Int32, y: Int32) throws(SQLError) -> Int32 in
                guard let result = Int32(exactly: gcd(Int64(x), Int64(y))) else { throw Arithmetic.outOfRange(.int4) }
                return result
            }),
        Overload(
            "gcd", [.int8, .int8], .int8,
            Rowwise.binary(.int8) { (x: Int64, y: Int64) throws(SQLError) -> Int64 in
                guard let result = Int64(exactly: gcd(x, y)) else { throw Arithmetic.outOfRange(.int8) }
                return result
            }),
        Overload(
            "lcm", [.int4, .int4], .int4,
            Rowwise.binary(.int4) { (x: Int32, y: Int32) throws(SQLError) -> Int32 in
                guard let result = Int32(exactly: try lcm(Int64(x), Int64(y), .int4)) else {
                    throw Arithmetic.outOfRange(.int4)
                }
                return result
            }),
        Overload(
            "lcm", [.int8, .int8], .int8,
            Rowwise.binary(.int8) { (x: Int64, y: Int64) throws(SQLError) -> Int64 in
                try lcm(x, y, .int8)
            }),
        Overload("bit_count", [.int8], .int8, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .int8) { (x: Int64) -> Int64 in Int64(x.nonzeroBitCount) }
        },
    ]

    private static func gcd(_ a: Int64, _ b: Int64) -> UInt64 {
        var (x, y) = (a.magnitude, b.magnitude)
        while y != 0 { (x, y) = (y, x % y) }
        return x
    }

    private static func lcm(_ a: Int64, _ b: Int64, _ type: SQLType) throws(SQLError) -> Int64 {
        if a == 0 || b == 0 { return 0 }
        let (product, overflow) = (a.magnitude / gcd(a, b)).multipliedReportingOverflow(by: b.magnitude)
        guard !overflow, let result = Int64(exactly: product) else { throw Arithmetic.outOfRange(type) }
        return result
    }

    // MARK: Buckets, random

    private static let buckets: [Overload] = [
        Overload("width_bucket", [.float8, .float8, .float8, .int4], .int4) { (_, a, rows) throws(SQLError) in
            let (x, low, high) = (Lane(a[0], Double.self), Lane(a[1], Double.self), Lane(a[2], Double.self))
            let count = Lane(a[3], Int32.self)
            return try quaternary(a, rows) { (row) throws(SQLError) -> Int32 in
                try bucket(x[row], low[row], high[row], count[row])
            }
        },
        Overload("width_bucket", [.numeric, .numeric, .numeric, .int4], .int4) { (_, a, rows) throws(SQLError) in
            let (x, low, high) = (Lane(a[0], Numeric.self), Lane(a[1], Numeric.self), Lane(a[2], Numeric.self))
            let count = Lane(a[3], Int32.self)
            return try quaternary(a, rows) { (row) throws(SQLError) -> Int32 in
                try bucket(x[row], low[row], high[row], count[row])
            }
        },
    ]

    private static func quaternary(
        _ a: [Column], _ rows: Int, _ body: (Int) throws(SQLError) -> Int32
    ) throws(SQLError) -> Column {
        let out = Buffer(count: max(1, rows), of: Int32.self)
        let validity = Loops.validity(a, rows)
        if validity != nil { out.fill(0) }
        let o = out.pointer(Int32.self)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in o[row] = try body(row) }
        return Column(.int4, count: rows, values: out, validity: validity)
    }

    private static let bucketState = SQLState("2201G")

    private static func bucket(_ x: Double, _ low: Double, _ high: Double, _ count: Int32) throws(SQLError) -> Int32 {
        guard count > 0 else { throw SQLError(bucketState, "count must be greater than zero") }
        if x.isNaN || low.isNaN || high.isNaN {
            throw SQLError(bucketState, "operand, lower bound, and upper bound cannot be NaN")
        }
        guard low.isFinite, high.isFinite else {
            throw SQLError(bucketState, "lower and upper bounds must be finite")
        }
        guard low != high else { throw SQLError(bucketState, "lower bound cannot equal upper bound") }
        let (isBelow, isAbove) = low < high ? (x < low, x >= high) : (x > low, x <= high)
        if isBelow { return 0 }
        if isAbove {
            let (next, overflow) = count.addingReportingOverflow(1)
            if overflow { throw Arithmetic.outOfRange(.int4) }
            return next
        }
        let place = Double(count) * ((x - low) / (high - low))
        return min(Int32(place), count - 1) + 1
    }

    private static func bucket(
        _ x: Numeric, _ low: Numeric, _ high: Numeric, _ count: Int32
    ) throws(SQLError) -> Int32 {
        guard x.isFinite, low.isFinite, high.isFinite else {
            return try bucket(x.double, low.double, high.double, count)
        }
        guard count > 0 else { throw SQLError(bucketState, "count must be greater than zero") }
        let order = Numeric.compare(low, high)
        guard order != 0 else { throw SQLError(bucketState, "lower bound cannot equal upper bound") }
        let (toLow, toHigh) = (Numeric.compare(x, low) * -order, Numeric.compare(x, high) * -order)
        if toLow < 0 { return 0 }
        if toHigh >= 0 {
            let (next, overflow) = count.addingReportingOverflow(1)
            if overflow { throw Arithmetic.outOfRange(.int4) }
            return next
        }
        let part = try NumericMath.add(x, NumericMath.negate(low))
        let whole = try NumericMath.add(high, NumericMath.negate(low))
        let place = try NumericMath.wholeQuotient(NumericMath.multiply(part, Numeric(Int128(count), scale: 0)), whole)
        return Int32(truncatingIfNeeded: place.mantissa) + 1
    }

    private static let random: [Overload] = [
        Overload("random", [SQLType](), .float8, volatility: .volatile, canFail: false) {
            (_, _, rows) throws(SQLError) in
            var generator = SystemRandomNumberGenerator()
            let out = Buffer(count: max(1, rows), of: Double.self)
            let o = out.pointer(Double.self)
            for row in 0..<rows { o[row] = Double.random(in: 0..<1, using: &generator) }
            return Column(.float8, count: rows, values: out)
        }
    ]
}

/// Trigonometry in degrees, exact at multiples of 30 (PostgreSQL's float.c).
enum Degrees {
    private static let degree = MathFunctions.degree
    private static let sine30 = sin(30 * degree)
    private static let oneMinusCosine60 = 1 - cos(60 * degree)
    private static let arcSineHalf = asin(0.5)
    private static let arcCosineHalf = acos(0.5)

    private static func sineTo30(_ x: Double) -> Double { sin(x * degree) / sine30 / 2 }
    private static func cosineTo60(_ x: Double) -> Double { 1 - (1 - cos(x * degree)) / oneMinusCosine60 / 2 }
    private static func sineTo90(_ x: Double) -> Double { x <= 30 ? sineTo30(x) : cosineTo60(90 - x) }
    private static func cosineTo90(_ x: Double) -> Double { x <= 60 ? cosineTo60(x) : sineTo30(90 - x) }

    static func sine(_ degrees: Double) -> Double {
        var (x, sign) = (fmod(degrees, 360), 1.0)
        if x < 0 { (x, sign) = (-x, -sign) }
        if x > 180 { (x, sign) = (360 - x, -sign) }
        if x > 90 { x = 180 - x }
        return sign * sineTo90(x)
    }

    static func cosine(_ degrees: Double) -> Double {
        var (x, sign) = (abs(fmod(degrees, 360)), 1.0)
        if x > 180 { x = 360 - x }
        if x > 90 { (x, sign) = (180 - x, -sign) }
        return sign * cosineTo90(x)
    }

    static func arcSine(_ x: Double) -> Double {
        if x < 0 { return -arcSine(-x) }
        return x <= 0.5 ? asin(x) / arcSineHalf * 30 : 90 - acos(x) / arcCosineHalf * 60
    }

    static func arcCosine(_ x: Double) -> Double {
        if x < 0 { return 90 + arcSine(-x) }
        return x <= 0.5 ? 90 - asin(x) / arcSineHalf * 30 : acos(x) / arcCosineHalf * 60
    }
}
