// Equality and order of rows between key columns, as joins, groups, sorts and windows see them. Hot.

/// How one sort key orders.
public struct KeyOrder: Hashable, Sendable {
    public var isDescending: Bool
    public var nullsFirst: Bool

    public init(isDescending: Bool = false, nullsFirst: Bool = false) {
        self.isDescending = isDescending
        self.nullsFirst = nullsFirst
    }
}

/// Values of a column of any layout, by row.
struct KeyReader<T> {
    let values: UnsafePointer<T>
    let codes: UnsafePointer<Int32>?
    /// 0 for constants, so that every row reads row 0.
    let mask: Int
    let valid: UnsafePointer<UInt64>?

    @inline(__always)
    init(_ column: Column, _: T.Type) {
        values = column.storage.pointer(T.self)
        codes = column.dictionary == nil ? nil : column.codes
        mask = column.layout == .constant ? 0 : -1
        valid = column.validityWords
    }

    @inline(__always)
    func isValid(_ row: Int) -> Bool { valid.map { Bitmap.get($0, row & mask) } ?? true }

    /// The value of a row that is not NULL.
    @inline(__always)
    func value(_ row: Int) -> T { values[codes.map { Int($0[row]) } ?? row & mask] }
}

/// Equality of key values: numerics by value, NaN equals NaN, `char(n)` without trailing blanks, jsonb by value.
public enum KeyEquality {
    /// Clears `out[i]` where row `aRows[i]` of `a` differs from row `bRows[i]` of `b`; other bytes stay. NULL equals
    /// NULL if `nullsEqual`, else nothing.
    public static func match(
        _ a: Column, _ aRows: UnsafePointer<Int32>, _ b: Column, _ bRows: UnsafePointer<Int32>, count: Int,
        nullsEqual: Bool, into out: UnsafeMutablePointer<UInt8>
    ) {
        precondition(a.physical == b.physical)
        let pairs = Pairs(a: aRows, b: bRows, count: count, nullsEqual: nullsEqual, out: out)
        switch a.physical {
        case .bool: pairs.each(a, b, UInt8.self) { $0 == $1 }
        case .int16: pairs.each(a, b, Int16.self) { $0 == $1 }
        case .int32: pairs.each(a, b, Int32.self) { $0 == $1 }
        case .int64: pairs.each(a, b, Int64.self) { $0 == $1 }
        case .int128: pairs.each(a, b, Int128.self) { $0 == $1 }
        case .float32: pairs.each(a, b, Float.self) { same($0, $1) }
        case .float64: pairs.each(a, b, Double.self) { same($0, $1) }
        case .numeric: pairs.each(a, b, Numeric.self) { same($0, $1) }
        case .interval: pairs.each(a, b, Interval.self) { $0.comparisonKey == $1.comparisonKey }
        case .view:
            switch a.type {
            case .char:
                pairs.each(a, b, StringView.self) {
                    StringView.equal($0.withoutTrailingBlanks, $1.withoutTrailingBlanks)
                }
            case .jsonb: pairs.each(a, b, StringView.self) { StringView.compareJSON($0, $1) == 0 }
            default: pairs.each(a, b, StringView.self) { StringView.equal($0, $1) }
            }
        case .list:
            pairs.each(a, b, ListSpan.self) { KeyCompare.lists(a, $0, b, $1) == 0 }
        case .row:
            pairs.each(a, b, Int32.self) { KeyCompare.structs(a.fields, Int($0), b.fields, Int($1)) == 0 }
        }
    }

    /// Whether two rows are equal over all columns, NULL equal to NULL. Not for loops over many rows.
    public static func equal(_ a: [Column], _ i: Int, _ b: [Column], _ j: Int) -> Bool {
        for index in a.indices where KeyCompare.compare(a[index], i, b[index], j, KeyOrder()) != 0 { return false }
        return true
    }

    @inline(__always)
    static func same<F: BinaryFloatingPoint>(_ x: F, _ y: F) -> Bool { x == y || (x != x && y != y) }

    @inline(__always)
    static func same(_ x: Numeric, _ y: Numeric) -> Bool {
        x.scale == y.scale ? x.mantissa == y.mantissa : Numeric.compare(x, y) == 0
    }

    private struct Pairs {
        let a: UnsafePointer<Int32>
        let b: UnsafePointer<Int32>
        let count: Int
        let nullsEqual: Bool
        let out: UnsafeMutablePointer<UInt8>

        @inline(__always)
        func each<T>(_ left: Column, _ right: Column, _: T.Type, _ equal: (T, T) -> Bool) {
            let (x, y) = (KeyReader(left, T.self), KeyReader(right, T.self))
            if x.valid == nil, y.valid == nil {
                for index in 0..<count where out[index] != 0 {
                    let isEqual = equal(x.value(Int(a[index])), y.value(Int(b[index])))
                    out[index] = isEqual ? 1 : 0
                }
                return
            }
            for index in 0..<count where out[index] != 0 {
                let (i, j) = (Int(a[index]), Int(b[index]))
                let (p, q) = (x.isValid(i), y.isValid(j))
                let isEqual = p && q ? equal(x.value(i), y.value(j)) : nullsEqual && p == q
                out[index] = isEqual ? 1 : 0
            }
        }
    }
}

/// Three-way order of single rows: negative, zero or positive.
public enum KeyCompare {
    /// Orders row i of `a` and row j of `b`, columns of one type: text by bytes, floats with NaN greatest, numerics and
    /// intervals by value, NULLs where the order wants them.
    public static func compare(_ a: Column, _ i: Int, _ b: Column, _ j: Int, _ order: KeyOrder) -> Int {
        let (p, q) = (a.isValid(i), b.isValid(j))
        guard p, q else {
            if p == q { return 0 }
            return p == order.nullsFirst ? 1 : -1
        }
        let result = values(a, a.slot(i), b, b.slot(j))
        return order.isDescending ? 0 &- result : result
    }

    /// Orders two rows by several columns.
    public static func compare(_ a: [Column], _ i: Int, _ b: [Column], _ j: Int, _ orders: [KeyOrder]) -> Int {
        for index in orders.indices {
            let result = compare(a[index], i, b[index], j, orders[index])
            if result != 0 { return result }
        }
        return 0
    }

    /// Orders two values that are not NULL, by their place in the columns' storage.
    static func values(_ a: Column, _ i: Int, _ b: Column, _ j: Int) -> Int {
        let (x, y) = (a.storage, b.storage)
        switch a.physical {
        case .bool: return order(x.pointer(UInt8.self)[i], y.pointer(UInt8.self)[j])
        case .int16: return order(x.pointer(Int16.self)[i], y.pointer(Int16.self)[j])
        case .int32: return order(x.pointer(Int32.self)[i], y.pointer(Int32.self)[j])
        case .int64: return order(x.pointer(Int64.self)[i], y.pointer(Int64.self)[j])
        case .int128: return order(x.pointer(Int128.self)[i], y.pointer(Int128.self)[j])
        case .float32: return floats(x.pointer(Float.self)[i], y.pointer(Float.self)[j])
        case .float64: return floats(x.pointer(Double.self)[i], y.pointer(Double.self)[j])
        case .numeric: return Numeric.compare(x.pointer(Numeric.self)[i], y.pointer(Numeric.self)[j])
        case .interval:
            return order(x.pointer(Interval.self)[i].comparisonKey, y.pointer(Interval.self)[j].comparisonKey)
        case .view:
            let (left, right) = (x.pointer(StringView.self)[i], y.pointer(StringView.self)[j])
            switch a.type {
            case .char: return StringView.compare(left.withoutTrailingBlanks, right.withoutTrailingBlanks)
            case .jsonb: return StringView.compareJSON(left, right)
            default: return StringView.compare(left, right)
            }
        case .list: return lists(x, x.pointer(ListSpan.self)[i], y, y.pointer(ListSpan.self)[j])
        case .row: return structs(x.fields, Int(x.pointer(Int32.self)[i]), y.fields, Int(y.pointer(Int32.self)[j]))
        }
    }

    /// Element by element, then the shorter first; NULL elements equal each other and come last, as in PostgreSQL.
    static func lists(_ a: Column, _ x: ListSpan, _ b: Column, _ y: ListSpan) -> Int {
        if let left = a.storage.child, let right = b.storage.child {
            for offset in 0..<Int(min(x.count, y.count)) {
                let result = compare(left, Int(x.start) + offset, right, Int(y.start) + offset, KeyOrder())
                if result != 0 { return result }
            }
        }
        return order(x.count, y.count)
    }

    /// Field by field; NULL fields equal each other and come last, as in PostgreSQL.
    static func structs(_ a: [Column], _ i: Int, _ b: [Column], _ j: Int) -> Int {
        for index in 0..<min(a.count, b.count) {
            let result = compare(a[index], i, b[index], j, KeyOrder())
            if result != 0 { return result }
        }
        return 0
    }

    @inline(__always)
    private static func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : (a == b ? 0 : 1) }

    @inline(__always)
    private static func floats<F: BinaryFloatingPoint>(_ a: F, _ b: F) -> Int {
        if a != a || b != b { return order(a != a ? 1 : 0, b != b ? 1 : 0) }
        return order(a, b)
    }
}
