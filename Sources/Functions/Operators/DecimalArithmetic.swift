// Arithmetic on numeric: fixed decimals as integers of 64 or 128 bits, everything else by Numeric values. Hot.
import Columns
import Diagnostics

enum DecimalArithmetic {
    static let all: [Overload] =
        ["+", "-", "*", "/", "%"].map { symbol in
            Overload(symbol, [.type(.numeric), .type(.numeric)]) { (call) throws(SQLError) in
                binding(symbol, call)
            }
        } + [
            Overload("+", [.type(.numeric)], canFail: false) { (call) throws(SQLError) in
                Binding(arguments: call.types, result: call.types[0]) { (_, a, _) throws(SQLError) in a[0] }
            },
            Overload("-", [.type(.numeric)], canFail: false) { (call) throws(SQLError) in sign("-", call.types[0]) },
            Overload("@", [.type(.numeric)], canFail: false) { (call) throws(SQLError) in sign("@", call.types[0]) },
        ]

    /// Negation and absolute value, of the argument's own type; shared with abs().
    static func sign(_ symbol: String, _ type: SQLType) -> Binding {
        let isNegation = symbol == "-"
        let argument = TypeRules.fixed(type).map { SQLType.decimal(precision: $0.precision, scale: $0.scale) }
        let settled = argument ?? .numeric
        return Binding(arguments: [settled], result: settled) { (_, a, rows) throws(SQLError) in
            switch settled.physical {
            case .int64:
                return Loops.unary(a[0], rows, settled) { (x: Int64) -> Int64 in
                    isNegation ? 0 &- x : (x < 0 ? 0 &- x : x)
                }
            case .int128:
                return Loops.unary(a[0], rows, settled) { (x: Int128) -> Int128 in
                    isNegation ? 0 &- x : (x < 0 ? 0 &- x : x)
                }
            default:
                return Loops.unary(a[0], rows, settled) { (x: Numeric) -> Numeric in
                    isNegation ? NumericMath.negate(x) : NumericMath.absolute(x)
                }
            }
        }
    }

    /// The decimal form of an argument, as tight as a literal allows.
    private static func form(_ call: Call, _ index: Int) -> (precision: Int, scale: Int)? {
        guard call.types[index].isInteger, let literal = call.literal(index), case .int(let value) = literal.value
        else { return TypeRules.fixed(call.types[index]) }
        return (max(1, DecimalMath.digits(UInt128(value.magnitude))), 0)
    }

    private static func binding(_ symbol: String, _ call: Call) -> Binding {
        guard let f = form(call, 0), let g = form(call, 1), symbol != "/" else { return numeric(symbol) }
        let arguments = [
            SQLType.decimal(precision: f.precision, scale: f.scale),
            SQLType.decimal(precision: g.precision, scale: g.scale),
        ]
        let scale = max(f.scale, g.scale)
        let whole = max(f.precision - f.scale, g.precision - g.scale)
        switch symbol {
        case "+", "-":
            let precision = whole + scale + 1
            let isChecked = precision > SQLType.precisionMax
            let result = SQLType.decimal(precision: min(precision, SQLType.precisionMax), scale: scale)
            let (left, right) = (scale - f.scale, scale - g.scale)
            return Binding(
                arguments: arguments, result: result,
                kernel: sum(symbol, arguments, result, left, right, isChecked: isChecked))
        case "*":
            let (precision, product) = (f.precision + g.precision, f.scale + g.scale)
            guard product <= SQLType.precisionMax else { return numeric(symbol) }
            let result = SQLType.decimal(precision: min(precision, SQLType.precisionMax), scale: product)
            return Binding(
                arguments: arguments, result: result,
                kernel: self.product(arguments, result, isChecked: precision > SQLType.precisionMax))
        default:
            guard whole + scale <= SQLType.precisionMax else { return numeric(symbol) }
            let result = SQLType.decimal(precision: whole + scale, scale: scale)
            return Binding(arguments: [result, result], result: result, kernel: remainder(result))
        }
    }

    // MARK: Numeric

    private static func numeric(_ symbol: String) -> Binding {
        let kernel: Kernel
        switch symbol {
        case "+":
            kernel = Rowwise.binary(.numeric) { (x: Numeric, y: Numeric) throws(SQLError) in
                try NumericMath.add(x, y)
            }
        case "-":
            kernel = Rowwise.binary(.numeric) { (x: Numeric, y: Numeric) throws(SQLError) in
                try NumericMath.add(x, NumericMath.negate(y))
            }
        case "*":
            kernel = Rowwise.binary(.numeric) { (x: Numeric, y: Numeric) throws(SQLError) in
                try NumericMath.multiply(x, y)
            }
        case "/":
            kernel = Rowwise.binary(.numeric) { (x: Numeric, y: Numeric) throws(SQLError) in
                try NumericMath.divide(x, y)
            }
        default:
            kernel = Rowwise.binary(.numeric) { (x: Numeric, y: Numeric) throws(SQLError) in
                try NumericMath.remainder(x, y)
            }
        }
        return Binding(arguments: [.numeric, .numeric], result: .numeric, kernel: kernel)
    }

    // MARK: Fixed sums

    private static func sum(
        _ symbol: String, _ arguments: [SQLType], _ result: SQLType, _ left: Int, _ right: Int, isChecked: Bool
    ) -> Kernel {
        let isSubtraction = symbol == "-"
        let forms = (arguments[0].physical, arguments[1].physical, result.physical)
        let (p, q) = (DecimalMath.pow10(left), DecimalMath.pow10(right))
        if isChecked { return checkedSum(arguments, result, p, q, isSubtraction) }
        switch forms {
        case (.int64, .int64, .int64):
            return sum(Int64.self, Int64.self, Int64.self, result, Int64(p), Int64(q), isSubtraction)
        case (.int64, .int64, _):
            return sum(Int64.self, Int64.self, Int128.self, result, p, q, isSubtraction)
        case (.int64, _, _):
            return sum(Int64.self, Int128.self, Int128.self, result, p, q, isSubtraction)
        case (_, .int64, _):
            return sum(Int128.self, Int64.self, Int128.self, result, p, q, isSubtraction)
        default:
            return sum(Int128.self, Int128.self, Int128.self, result, p, q, isSubtraction)
        }
    }

    /// The result's precision has room for every sum, so nothing is checked.
    @inline(__always)
    private static func sum<A, B, R>(
        _: A.Type, _: B.Type, _: R.Type, _ type: SQLType, _ p: R, _ q: R, _ isSubtraction: Bool
    ) -> Kernel
    where
        A: FixedWidthInteger & BitwiseCopyable & Sendable, B: FixedWidthInteger & BitwiseCopyable & Sendable,
        R: FixedWidthInteger & BitwiseCopyable & Sendable
    {
        if p == 1, q == 1 {
            if isSubtraction {
                return { (_, a, rows) throws(SQLError) in
                    Loops.binary(a[0], a[1], rows, type) { (x: A, y: B) -> R in
                        R(truncatingIfNeeded: x) &- R(truncatingIfNeeded: y)
                    }
                }
            }
            return { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, type) { (x: A, y: B) -> R in
                    R(truncatingIfNeeded: x) &+ R(truncatingIfNeeded: y)
                }
            }
        }
        let sign: R = isSubtraction ? 0 &- q : q
        return { (_, a, rows) throws(SQLError) in
            Loops.binary(a[0], a[1], rows, type) { (x: A, y: B) -> R in
                R(truncatingIfNeeded: x) &* p &+ R(truncatingIfNeeded: y) &* sign
            }
        }
    }

    private static func checkedSum(
        _ arguments: [SQLType], _ result: SQLType, _ p: Int128, _ q: Int128, _ isSubtraction: Bool
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (x, y) = (widened(a[0], rows), widened(a[1], rows))
            return try Loops.binaryThrowing(x, y, rows, result) { (x: Int128, y: Int128) throws(SQLError) -> Int128 in
                guard let m = DecimalMath.multiply(x, p), let n = DecimalMath.multiply(y, q),
                    let sum = DecimalMath.add(m, isSubtraction ? -n : n)
                else { throw DecimalMath.overflow }
                return sum
            }
        }
    }

    /// Mantissas as 128 bits.
    static func widened(_ column: Column, _ rows: Int) -> Column {
        guard column.physical == .int64 else { return column }
        guard case .decimal(_, let scale) = column.type else { return column }
        let type = SQLType.decimal(precision: SQLType.precisionMax, scale: scale)
        return Loops.unary(column, rows, type) { (x: Int64) -> Int128 in Int128(x) }
    }

    // MARK: Fixed products

    private static func product(_ arguments: [SQLType], _ result: SQLType, isChecked: Bool) -> Kernel {
        switch (arguments[0].physical, arguments[1].physical, result.physical) {
        case (.int64, .int64, .int64): return product(Int64.self, Int64.self, Int64.self, result)
        case (.int64, .int64, _): return product(Int64.self, Int64.self, Int128.self, result)
        case (.int64, _, _):
            return isChecked
                ? checkedProduct(Int64.self, Int128.self, result)
                : product(Int64.self, Int128.self, Int128.self, result)
        case (_, .int64, _):
            return isChecked
                ? checkedProduct(Int128.self, Int64.self, result)
                : product(Int128.self, Int64.self, Int128.self, result)
        default:
            return isChecked
                ? checkedProduct(Int128.self, Int128.self, result)
                : product(Int128.self, Int128.self, Int128.self, result)
        }
    }

    @inline(__always)
    private static func product<A, B, R>(_: A.Type, _: B.Type, _: R.Type, _ type: SQLType) -> Kernel
    where
        A: FixedWidthInteger & BitwiseCopyable & Sendable, B: FixedWidthInteger & BitwiseCopyable & Sendable,
        R: FixedWidthInteger & BitwiseCopyable & Sendable
    {
        { (_, a, rows) throws(SQLError) in
            Loops.binary(a[0], a[1], rows, type) { (x: A, y: B) -> R in
                R(truncatingIfNeeded: x) &* R(truncatingIfNeeded: y)
            }
        }
    }

    /// Wraps, and looks at the magnitudes of the whole batch afterwards: 126 bits together are below 10^38.
    @inline(__always)
    private static func checkedProduct<A, B>(_: A.Type, _: B.Type, _ type: SQLType) -> Kernel
    where A: FixedWidthInteger & BitwiseCopyable & Sendable, B: FixedWidthInteger & BitwiseCopyable & Sendable {
        { (_, a, rows) throws(SQLError) in
            var left: A = 0
            var right: B = 0
            let made = Loops.binary(a[0], a[1], rows, type) { (x: A, y: B) -> Int128 in
                left |= x ^ (x &>> A(truncatingIfNeeded: A.bitWidth &- 1))
                right |= y ^ (y &>> B(truncatingIfNeeded: B.bitWidth &- 1))
                return Int128(truncatingIfNeeded: x) &* Int128(truncatingIfNeeded: y)
            }
            let bits = A.bitWidth - left.leadingZeroBitCount + B.bitWidth - right.leadingZeroBitCount
            if bits <= 126 { return made }
            return try Loops.binaryThrowing(a[0], a[1], rows, type) { (x: A, y: B) throws(SQLError) -> Int128 in
                guard let product = DecimalMath.multiply(Int128(x), Int128(y)) else { throw DecimalMath.overflow }
                return product
            }
        }
    }

    private static func remainder(_ type: SQLType) -> Kernel {
        if type.physical == .int64 {
            return Rowwise.binary(type) { (x: Int64, y: Int64) throws(SQLError) -> Int64 in
                if y == 0 { throw Arithmetic.divisionByZero }
                return y == -1 ? 0 : x % y
            }
        }
        return Rowwise.binary(type) { (x: Int128, y: Int128) throws(SQLError) -> Int128 in
            if y == 0 { throw Arithmetic.divisionByZero }
            return y == -1 ? 0 : x % y
        }
    }
}
