// Equality of two columns as SQL's `=` sees it, for IN lists and IS NOT DISTINCT FROM. Hot for plain types.
import Columns

enum ColumnEquality {
    /// Writes 1 for rows whose values are equal; rows with NULLs get any value.
    static func write(_ left: Column, _ right: Column, _ rows: Int, to out: UnsafeMutablePointer<UInt8>) {
        let a = left.layout == .dictionary ? left.flat() : left
        let b = right.layout == .dictionary ? right.flat() : right
        guard a.physical == b.physical else {
            for row in 0..<rows { out[row] = a.scalar(row) == b.scalar(row) ? 1 : 0 }
            return
        }
        switch a.physical {
        case .bool: compare(a, b, rows, out, UInt8.self) { $0 == $1 }
        case .int16: compare(a, b, rows, out, Int16.self) { $0 == $1 }
        case .int32: compare(a, b, rows, out, Int32.self) { $0 == $1 }
        case .int64: compare(a, b, rows, out, Int64.self) { $0 == $1 }
        case .int128: compare(a, b, rows, out, Int128.self) { $0 == $1 }
        case .float32: compare(a, b, rows, out, Float.self) { $0 == $1 || ($0 != $0 && $1 != $1) }
        case .float64: compare(a, b, rows, out, Double.self) { $0 == $1 || ($0 != $0 && $1 != $1) }
        case .view:
            switch a.type {
            case .char:
                compare(a, b, rows, out, StringView.self) {
                    StringView.equal($0.withoutTrailingBlanks, $1.withoutTrailingBlanks)
                }
            case .jsonb:
                for row in 0..<rows { out[row] = a.scalar(row).isEqualValue(b.scalar(row)) ? 1 : 0 }
            default: compare(a, b, rows, out, StringView.self) { StringView.equal($0, $1) }
            }
        case .numeric:
            compare(a, b, rows, out, Numeric.self) {
                let (x, y) = ($0.normal, $1.normal)
                return x.mantissa == y.mantissa && x.scale == y.scale
            }
        case .interval: compare(a, b, rows, out, Interval.self) { $0.comparisonKey == $1.comparisonKey }
        case .list:
            for row in 0..<rows { out[row] = listsEqual(a, a.slot(row), b, b.slot(row)) ? 1 : 0 }
        case .row:
            for row in 0..<rows { out[row] = a.scalar(row).isEqualValue(b.scalar(row)) ? 1 : 0 }
        }
    }

    @inline(__always)
    private static func compare<T>(
        _ a: Column, _ b: Column, _ rows: Int, _ out: UnsafeMutablePointer<UInt8>, _: T.Type,
        _ equal: (T, T) -> Bool
    ) {
        if a.layout == .flat, b.layout == .flat {
            let (x, y) = (a.pointer(T.self), b.pointer(T.self))
            for row in 0..<rows { out[row] = equal(x[row], y[row]) ? 1 : 0 }
            return
        }
        let (x, y) = (a.storage.pointer(T.self), b.storage.pointer(T.self))
        for row in 0..<rows { out[row] = equal(x[a.slot(row)], y[b.slot(row)]) ? 1 : 0 }
    }

    /// Element by element; NULL elements are equal to each other, as in PostgreSQL's array_eq.
    private static func listsEqual(_ a: Column, _ i: Int, _ b: Column, _ j: Int) -> Bool {
        guard let x = a.child, let y = b.child else { return false }
        let (left, right) = (a.storage.pointer(ListSpan.self)[i], b.storage.pointer(ListSpan.self)[j])
        guard left.count == right.count else { return false }
        for offset in 0..<Int(left.count) {
            let (p, q) = (Int(left.start) + offset, Int(right.start) + offset)
            guard x.isValid(p) == y.isValid(q) else { return false }
            if x.isValid(p), !x.scalar(p).isEqualValue(y.scalar(q)) { return false }
        }
        return true
    }
}
