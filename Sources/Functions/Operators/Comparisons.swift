// = <> < <= > >= for every type, and IS DISTINCT FROM. Hot.
import Columns
import Diagnostics

/// A comparison operator.
enum Comparison: String, CaseIterable, Sendable {
    case equal = "="
    case notEqual = "<>"
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
}

enum Comparisons {
    static let all: [Overload] = Comparison.allCases.flatMap(overloads) + bytewise

    /// ~<~ and its kin: text by bytes whatever the collation, which is how all text is compared here.
    private static let bytewise: [Overload] = [.less, .lessOrEqual, .greater, .greaterOrEqual].map {
        (comparison: Comparison) in
        Overload("~\(comparison.rawValue)~", [.text, .text], .boolean, canFail: false, kernel(comparison, .text))
    }

    private static func overloads(_ comparison: Comparison) -> [Overload] {
        let plain: [SQLType] = [
            .boolean, .int2, .int4, .int8, .float4, .float8, .text, .char(1), .bytea, .date, .time, .timestamp,
            .timestamptz, .interval, .uuid, .system(.oid), .system(.inet), .system(.timetz), .bit(1), .varbit(nil),
        ]
        var result = plain.map { type in
            Overload(comparison.rawValue, [type, type], .boolean, canFail: false, kernel(comparison, type))
        }
        result.append(
            Overload(comparison.rawValue, [.type(.numeric), .type(.numeric)], canFail: false) {
                (call) throws(SQLError) in
                let type = settled(call.types[0], call.types[1])
                let kernel = kernel(comparison, type.first ?? .numeric)
                return Binding(arguments: type, result: .boolean, kernel: kernel)
            })
        result.append(
            Overload(comparison.rawValue, [.anyArray, .anyArray], canFail: false) { (call) throws(SQLError) in
                Binding(arguments: call.types, result: .boolean) { (_, a, rows) throws(SQLError) in
                    arrays(comparison, a[0], a[1], rows)
                }
            })
        result.append(
            Overload(comparison.rawValue, [.anyEnum, .anyEnum], canFail: false) { (call) throws(SQLError) in
                guard call.types[0] == call.types[1], case .enumeration = call.types[0] else {
                    throw NestedFunctions.undefined(comparison.rawValue, call)
                }
                return Binding(
                    arguments: call.types, result: .boolean, kernel: ordered(comparison, Int32.self))
            })
        for parameter in [Parameter.anyRow, .anyMap] {
            result.append(
                Overload(comparison.rawValue, [parameter, parameter], canFail: false) { (call) throws(SQLError) in
                    let known = call.types.filter { $0 != .unknown }
                    guard let type = TypeRules.common(known) else {
                        throw NestedFunctions.undefined(comparison.rawValue, call)
                    }
                    return Binding(arguments: [type, type], result: .boolean) { (_, a, rows) throws(SQLError) in
                        arrays(comparison, a[0], a[1], rows)
                    }
                })
        }
        return result
    }

    /// The types in which two numerics are compared as integers, or numeric.
    private static func settled(_ a: SQLType, _ b: SQLType) -> [SQLType] {
        guard let f = TypeRules.fixed(a), let g = TypeRules.fixed(b), let type = TypeRules.union(f, g) else {
            return [.numeric, .numeric]
        }
        if case .decimal = a, case .decimal = b, f.scale == g.scale, a.physical == b.physical { return [a, b] }
        return [type, type]
    }

    // MARK: Kernels

    /// The kernel for two columns of one type.
    static func kernel(_ comparison: Comparison, _ type: SQLType) -> Kernel {
        if case .char = type { return padded(comparison) }
        switch type.physical {
        case .bool: return ordered(comparison, UInt8.self)
        case .int16: return ordered(comparison, Int16.self)
        case .int32: return ordered(comparison, Int32.self)
        case .int64: return ordered(comparison, Int64.self)
        case .int128: return ordered(comparison, Int128.self)
        case .float32: return floats(comparison, Float.self)
        case .float64: return floats(comparison, Double.self)
        case .view: return views(comparison)
        case .numeric:
            return by(comparison, Numeric.self, { Numeric.compare($0, $1) == 0 }, { Numeric.compare($0, $1) < 0 })
        case .interval:
            return by(
                comparison, Interval.self, { $0.comparisonKey == $1.comparisonKey },
                { $0.comparisonKey < $1.comparisonKey })
        case .list, .row:
            return { (_, a, rows) throws(SQLError) in arrays(comparison, a[0], a[1], rows) }
        }
    }

    @inline(__always)
    private static func byte(_ value: Bool) -> UInt8 { unsafeBitCast(value, to: UInt8.self) }

    @inline(__always)
    private static func by<T: BitwiseCopyable & Sendable>(
        _ comparison: Comparison, _: T.Type, _ equal: @escaping @Sendable (T, T) -> Bool,
        _ less: @escaping @Sendable (T, T) -> Bool
    ) -> Kernel {
        switch comparison {
        case .equal:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(equal(x, y)) }
            }
        case .notEqual:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(!equal(x, y)) }
            }
        case .less:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(less(x, y)) }
            }
        case .lessOrEqual:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(!less(y, x)) }
            }
        case .greater:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(less(y, x)) }
            }
        case .greaterOrEqual:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(!less(x, y)) }
            }
        }
    }

    @inline(__always)
    private static func ordered<T: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _ comparison: Comparison, _ form: T.Type
    ) -> Kernel {
        switch comparison {
        case .equal:
            { (_, a, n) throws(SQLError) in Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x == y) } }
        case .notEqual:
            { (_, a, n) throws(SQLError) in Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x != y) } }
        case .less:
            { (_, a, n) throws(SQLError) in Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x < y) } }
        case .lessOrEqual:
            { (_, a, n) throws(SQLError) in Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x <= y) } }
        case .greater:
            { (_, a, n) throws(SQLError) in Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x > y) } }
        case .greaterOrEqual:
            { (_, a, n) throws(SQLError) in Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x >= y) } }
        }
    }

    /// NaN equals NaN and is above every number.
    @inline(__always)
    private static func floats<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>(
        _ comparison: Comparison, _ form: T.Type
    ) -> Kernel {
        switch comparison {
        case .equal:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x == y) | (byte(x != x) & byte(y != y)) }
            }
        case .notEqual:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in
                    1 ^ (byte(x == y) | (byte(x != x) & byte(y != y)))
                }
            }
        case .less:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x < y) | (byte(x == x) & byte(y != y)) }
            }
        case .lessOrEqual:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x <= y) | byte(y != y) }
            }
        case .greater:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x > y) | (byte(x != x) & byte(y == y)) }
            }
        case .greaterOrEqual:
            { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: T, y: T) in byte(x >= y) | byte(x != x) }
            }
        }
    }

    private static func views(_ comparison: Comparison) -> Kernel {
        switch comparison {
        case .equal:
            return { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: StringView, y: StringView) in byte(StringView.equal(x, y)) }
            }
        case .notEqual:
            return { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: StringView, y: StringView) in
                    byte(!StringView.equal(x, y))
                }
            }
        case .less:
            return { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: StringView, y: StringView) in
                    byte(StringView.compare(x, y) < 0)
                }
            }
        case .lessOrEqual:
            return { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: StringView, y: StringView) in
                    byte(StringView.compare(x, y) <= 0)
                }
            }
        case .greater:
            return { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: StringView, y: StringView) in
                    byte(StringView.compare(x, y) > 0)
                }
            }
        case .greaterOrEqual:
            return { (_, a, n) throws(SQLError) in
                Loops.binary(a[0], a[1], n, .boolean) { (x: StringView, y: StringView) in
                    byte(StringView.compare(x, y) >= 0)
                }
            }
        }
    }

    /// char(n): blanks at the end do not count.
    private static func padded(_ comparison: Comparison) -> Kernel {
        let inner = views(comparison)
        return { (context, a, rows) throws(SQLError) in
            try inner(context, [trimmed(a[0], rows), trimmed(a[1], rows)], rows)
        }
    }

    private static func trimmed(_ column: Column, _ rows: Int) -> Column {
        let cut = Loops.unary(column, rows, column.type) { (x: StringView) -> StringView in
            x.slice(0, TextOps.lengthWithoutBlanks(x))
        }
        return Column(
            column.type, count: rows, values: cut.values, validity: cut.validity, heaps: column.heaps)
    }

    // MARK: Arrays

    static func arrays(_ comparison: Comparison, _ a: Column, _ b: Column, _ rows: Int) -> Column {
        let out = Buffer(count: max(1, rows), of: UInt8.self)
        let o = out.pointer(UInt8.self)
        let validity = Loops.validity([a, b], rows)
        for row in 0..<rows {
            guard a.isValid(row), b.isValid(row) else {
                o[row] = 0
                continue
            }
            let order = ArrayOrder.compare(a.scalar(row), b.scalar(row))
            switch comparison {
            case .equal: o[row] = byte(order == 0)
            case .notEqual: o[row] = byte(order != 0)
            case .less: o[row] = byte(order < 0)
            case .lessOrEqual: o[row] = byte(order <= 0)
            case .greater: o[row] = byte(order > 0)
            case .greaterOrEqual: o[row] = byte(order >= 0)
            }
        }
        return Column(.boolean, count: rows, values: out, validity: validity)
    }

    // MARK: IS DISTINCT FROM

    static let distinct: [Overload] = [true, false].map { isDistinct in
        Overload(
            isDistinct ? "is_distinct" : "is_not_distinct", [.anyElement, .anyElement], isStrict: false, canFail: false
        ) { (call) throws(SQLError) in
            let equal = kernel(.equal, call.types[0])
            return Binding(arguments: call.types, result: .boolean) { (context, a, rows) throws(SQLError) in
                let same = Flatten.flat(try equal(context, a, rows))
                let out = Buffer(count: max(1, rows), of: UInt8.self)
                let (o, x) = (out.pointer(UInt8.self), same.pointer(UInt8.self))
                let (left, right) = (Flatten.validity(a[0]), Flatten.validity(a[1]))
                let flip: UInt8 = isDistinct ? 1 : 0
                if left == nil, right == nil {
                    for row in 0..<rows { o[row] = x[row] ^ flip }
                } else {
                    for row in 0..<rows {
                        let p = left.map { Bitmap.get($0.pointer(UInt64.self), row) } ?? true
                        let q = right.map { Bitmap.get($0.pointer(UInt64.self), row) } ?? true
                        let equals = p && q ? x[row] : byte(p == q)
                        o[row] = equals ^ flip
                    }
                }
                return Column(.boolean, count: rows, values: out)
            }
        }
    }
}

/// The order of arrays: element by element, NULLs equal to each other and last.
enum ArrayOrder {
    static func compare(_ a: Scalar, _ b: Scalar) -> Int {
        switch (a.value, b.value) {
        case (.null, .null): return 0
        case (.null, _): return 1
        case (_, .null): return -1
        case (.array(let x), .array(let y)), (.row(let x), .row(let y)):
            for (left, right) in zip(x, y) {
                let order = compare(left, right)
                if order != 0 { return order }
            }
            return x.count - y.count
        default: return Scalar.compare(a, b) ?? 0
        }
    }
}
