// AND, OR and NOT with three values. The evaluator calls these for its special forms. Hot.
public import Columns

/// Three-valued logic over boolean columns of any layout.
public enum Logic {
    /// false AND anything is false; otherwise NULL wins over true.
    public static func boolAnd(_ a: Column, _ b: Column, rows: Int) -> Column { combine(a, b, rows, isAnd: true) }

    /// true OR anything is true; otherwise NULL wins over false.
    public static func boolOr(_ a: Column, _ b: Column, rows: Int) -> Column { combine(a, b, rows, isAnd: false) }

    private static func combine(_ a: Column, _ b: Column, _ rows: Int, isAnd: Bool) -> Column {
        let (x, y) = (Flatten.flat(a), Flatten.flat(b))
        let out = Buffer(count: max(1, rows), of: UInt8.self)
        let (p, q, o) = (x.pointer(UInt8.self), y.pointer(UInt8.self), out.pointer(UInt8.self))
        if x.validity == nil, y.validity == nil {
            if isAnd {
                for row in 0..<rows { o[row] = p[row] & q[row] }
            } else {
                for row in 0..<rows { o[row] = p[row] | q[row] }
            }
            return Column(.boolean, count: rows, values: out)
        }
        // The value that decides alone: 0 for AND, 1 for OR.
        let decider: UInt8 = isAnd ? 0 : 1
        let bits = Bitmap.make(rows, all: false)
        let target = bits.pointer(UInt64.self)
        let (u, v) = (x.validityWords, y.validityWords)
        for row in 0..<rows {
            let left = u.map { Bitmap.get($0, row) } ?? true
            let right = v.map { Bitmap.get($0, row) } ?? true
            let decides = (left && p[row] == decider) || (right && q[row] == decider)
            o[row] = decides ? decider : 1 ^ decider
            if decides || (left && right) { Bitmap.set(target, row) }
        }
        return Column(.boolean, count: rows, values: out, validity: bits)
    }
}
