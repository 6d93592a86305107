// Arithmetic on integers and floats: wrapping loops that notice overflow, then a second, careful pass. Hot.
import Columns
import Diagnostics
import Glibc

enum Arithmetic {
    static let divisionByZero = SQLError(.divisionByZero, "division by zero")
    static let floatOverflow = SQLError(.numericValueOutOfRange, "value out of range: overflow")
    static let floatUnderflow = SQLError(.numericValueOutOfRange, "value out of range: underflow")

    static func outOfRange(_ type: SQLType) -> SQLError {
        SQLError(.numericValueOutOfRange, "\(type.name) out of range")
    }

    static let all: [Overload] =
        integers(Int16.self, .int2) + integers(Int32.self, .int4) + integers(Int64.self, .int8)
        + floats(Float.self, .float4) + floats(Double.self, .float8) + mixedFloats
        + DecimalArithmetic.all

    // MARK: Integers

    private static func integers<T: FixedWidthInteger & SignedInteger & BitwiseCopyable & Sendable>(
        _ type: T.Type, _ sql: SQLType
    ) -> [Overload] {
        let range = outOfRange(sql)
        let pair = [sql, sql]
        return [
            Overload("+", pair, sql) { (_, a, rows) throws(SQLError) in try add(a[0], a[1], rows, sql, T.self) },
            Overload("-", pair, sql) { (_, a, rows) throws(SQLError) in try subtract(a[0], a[1], rows, sql, T.self) },
            Overload("*", pair, sql) { (_, a, rows) throws(SQLError) in try multiply(a[0], a[1], rows, sql, T.self) },
            Overload("/", pair, sql) { (_, a, rows) throws(SQLError) in try divide(a[0], a[1], rows, sql, T.self) },
            Overload("%", pair, sql) { (_, a, rows) throws(SQLError) in try remainder(a[0], a[1], rows, sql, T.self) },
            Overload("+", [sql], sql, canFail: false) { (_, a, _) throws(SQLError) in a[0] },
            Overload(
                "-", [sql], sql,
                Rowwise.unary(sql) { (x: T) throws(SQLError) -> T in
                    guard x != T.min else { throw range }
                    return 0 - x
                }),
            Overload(
                "@", [sql], sql,
                Rowwise.unary(sql) { (x: T) throws(SQLError) -> T in
                    guard x != T.min else { throw range }
                    return x < 0 ? 0 - x : x
                }),
            Overload("&", pair, sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, sql) { (x: T, y: T) -> T in x & y }
            },
            Overload("|", pair, sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, sql) { (x: T, y: T) -> T in x | y }
            },
            Overload("#", pair, sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, sql) { (x: T, y: T) -> T in x ^ y }
            },
            Overload("~", [sql], sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, sql) { (x: T) -> T in ~x }
            },
            Overload("<<", [sql, .int4], sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, sql) { (x: T, y: Int32) -> T in shift(x, Int(y)) }
            },
            Overload(">>", [sql, .int4], sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.binary(a[0], a[1], rows, sql) { (x: T, y: Int32) -> T in shiftRight(x, Int(y)) }
            },
        ]
    }

    /// Shifts as the C code of PostgreSQL does on x86: int2 is shifted as int4.
    @inline(__always)
    private static func shift<T: FixedWidthInteger>(_ x: T, _ count: Int) -> T {
        let width = max(32, T.bitWidth)
        return T(truncatingIfNeeded: Int64(x) &<< Int64(count & (width - 1)))
    }

    @inline(__always)
    private static func shiftRight<T: FixedWidthInteger>(_ x: T, _ count: Int) -> T {
        let width = max(32, T.bitWidth)
        return T(truncatingIfNeeded: Int64(x) &>> Int64(count & (width - 1)))
    }

    @inline(__always)
    private static func add<T: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ form: T.Type
    ) throws(SQLError) -> Column {
        try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout T) -> T in
            let sum = x &+ y
            mask |= (x ^ sum) & (y ^ sum)
            return sum
        } isSafe: {
            $0 >= 0
        } slow: { (x, y) throws(SQLError) -> T in
            let (sum, overflow) = x.addingReportingOverflow(y)
            if overflow { throw outOfRange(type) }
            return sum
        }
    }

    @inline(__always)
    private static func subtract<T: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ form: T.Type
    ) throws(SQLError) -> Column {
        try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout T) -> T in
            let difference = x &- y
            mask |= (x ^ y) & (x ^ difference)
            return difference
        } isSafe: {
            $0 >= 0
        } slow: { (x, y) throws(SQLError) -> T in
            let (difference, overflow) = x.subtractingReportingOverflow(y)
            if overflow { throw outOfRange(type) }
            return difference
        }
    }

    @inline(__always)
    private static func multiply<T: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ form: T.Type
    ) throws(SQLError) -> Column {
        // Magnitudes below half the width cannot overflow; the mask has the bits of all magnitudes.
        let half: T = 1 << T(T.bitWidth / 2 - 1)
        return try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout T) -> T in
            mask |= (x ^ (x &>> T(T.bitWidth - 1))) | (y ^ (y &>> T(T.bitWidth - 1)))
            return x &* y
        } isSafe: {
            $0 < half
        } slow: { (x, y) throws(SQLError) -> T in
            let (product, overflow) = x.multipliedReportingOverflow(by: y)
            if overflow { throw outOfRange(type) }
            return product
        }
    }

    @inline(__always)
    private static func divide<T: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ form: T.Type
    ) throws(SQLError) -> Column {
        if b.layout == .constant {
            let divisor = b.pointer(T.self)[0]
            if divisor > 0 { return Loops.unary(a, rows, type) { (x: T) -> T in x / divisor } }
        }
        return try Loops.binaryThrowing(a, b, rows, type) { (x: T, y: T) throws(SQLError) -> T in
            if y == 0 { throw divisionByZero }
            let (quotient, overflow) = x.dividedReportingOverflow(by: y)
            if overflow { throw outOfRange(type) }
            return quotient
        }
    }

    @inline(__always)
    private static func remainder<T: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ form: T.Type
    ) throws(SQLError) -> Column {
        if b.layout == .constant {
            let divisor = b.pointer(T.self)[0]
            if divisor > 0 { return Loops.unary(a, rows, type) { (x: T) -> T in x % divisor } }
        }
        return try Loops.binaryThrowing(a, b, rows, type) { (x: T, y: T) throws(SQLError) -> T in
            if y == 0 { throw divisionByZero }
            return y == -1 ? 0 : x % y
        }
    }

    // MARK: Floats

    private static func floats<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>(
        _ type: T.Type, _ sql: SQLType
    ) -> [Overload] {
        floatOperators(type, sql, [sql, sql]) + [
            Overload("+", [sql], sql, canFail: false) { (_, a, _) throws(SQLError) in a[0] },
            Overload("-", [sql], sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, sql) { (x: T) -> T in -x }
            },
            Overload("@", [sql], sql, canFail: false) { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, sql) { (x: T) -> T in abs(x) }
            },
        ]
    }

    /// real with double precision: both become double precision.
    private static var mixedFloats: [Overload] {
        [[SQLType.float4, .float8], [.float8, .float4]].flatMap { pair in
            ["+", "-", "*", "/"].map { symbol in
                Overload(symbol, pair.map { .type($0) }) { (_) throws(SQLError) in
                    Binding(arguments: [.float8, .float8], result: .float8, kernel: floatKernel(symbol))
                }
            }
        }
    }

    private static func floatKernel(_ symbol: String) -> Kernel {
        { (_, a, rows) throws(SQLError) in try float(symbol, a[0], a[1], rows, .float8, Double.self) }
    }

    private static func floatOperators<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>(
        _ type: T.Type, _ sql: SQLType, _ pair: [SQLType]
    ) -> [Overload] {
        ["+", "-", "*", "/"].map { symbol in
            Overload(symbol, pair, sql) { (_, a, rows) throws(SQLError) in
                try float(symbol, a[0], a[1], rows, sql, T.self)
            }
        }
    }

    @inline(__always)
    private static func float<T: BinaryFloatingPoint & BitwiseCopyable>(
        _ symbol: String, _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ form: T.Type
    ) throws(SQLError) -> Column {
        switch symbol {
        case "+":
            return try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout UInt8) -> T in
                let sum = x + y
                mask |= unsafeBitCast(!(abs(sum) <= T.greatestFiniteMagnitude), to: UInt8.self)
                return sum
            } isSafe: {
                $0 == 0
            } slow: { (x, y) throws(SQLError) -> T in
                try finite(x + y, x, y)
            }
        case "-":
            return try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout UInt8) -> T in
                let difference = x - y
                mask |= unsafeBitCast(!(abs(difference) <= T.greatestFiniteMagnitude), to: UInt8.self)
                return difference
            } isSafe: {
                $0 == 0
            } slow: { (x, y) throws(SQLError) -> T in
                try finite(x - y, x, y)
            }
        case "*":
            return try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout UInt8) -> T in
                let product = x * y
                mask |= unsafeBitCast(!(abs(product) <= T.greatestFiniteMagnitude), to: UInt8.self)
                mask |= unsafeBitCast(product == 0, to: UInt8.self)
                return product
            } isSafe: {
                $0 == 0
            } slow: { (x, y) throws(SQLError) -> T in
                let product = try finite(x * y, x, y)
                if product == 0, x != 0, y != 0 { throw floatUnderflow }
                return product
            }
        default:
            return try Loops.checked(a, b, rows, type) { (x: T, y: T, mask: inout UInt8) -> T in
                let quotient = x / y
                mask |= unsafeBitCast(!(abs(quotient) <= T.greatestFiniteMagnitude), to: UInt8.self)
                mask |= unsafeBitCast(quotient == 0, to: UInt8.self)
                return quotient
            } isSafe: {
                $0 == 0
            } slow: { (x, y) throws(SQLError) -> T in
                if y == 0, !x.isNaN { throw divisionByZero }
                let quotient = try finite(x / y, x, y)
                if quotient == 0, x != 0, !y.isInfinite { throw floatUnderflow }
                return quotient
            }
        }
    }

    @inline(__always)
    private static func finite<T: BinaryFloatingPoint>(_ result: T, _ x: T, _ y: T) throws(SQLError) -> T {
        if result.isInfinite, !x.isInfinite, !y.isInfinite { throw floatOverflow }
        return result
    }
}
