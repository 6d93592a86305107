// Join keys as one 64-bit number: exact for integers and dates whose ranges fit together. Hot.
import Columns

/// Packs integer key columns side by side, each minus the least value of the build side.
struct KeyPacking: Sendable {
    /// What a row without a possible match packs to: a NULL, or a value outside the build side's range.
    static let none = UInt64.max

    private struct Part {
        let low: Int64
        /// Greatest value minus least.
        let span: UInt64
        let shift: UInt64
        /// Whether NULL is a value of its own: code 0, all others one more.
        let hasNull: Bool
    }

    private let parts: [Part]
    /// Packed values are below this.
    let range: UInt64

    /// Makes the packing of these build columns; nil when they are no integers or do not fit.
    init?(_ columns: [Column], nullsEqual: [Bool]) {
        var made: [Part] = []
        var shift: UInt64 = 0
        var range: UInt64 = 0
        for (index, column) in columns.enumerated() {
            guard let (low, high) = KeyPacking.bounds(column) else { return nil }
            let hasNull = nullsEqual[index]
            let span = UInt64(bitPattern: high &- low)
            // The greatest number means "none", and codes of NULL take one more.
            guard span < UInt64.max - 2 else { return nil }
            let last = span + (hasNull ? 1 : 0)
            let bits = UInt64(64 - last.leadingZeroBitCount)
            guard shift + bits <= (columns.count == 1 ? 64 : 63) else { return nil }
            made.append(Part(low: low, span: span, shift: shift, hasNull: hasNull))
            range = range | last << shift
            shift += bits
        }
        guard !made.isEmpty, range < UInt64.max - 1 else { return nil }
        parts = made
        self.range = range + 1
    }

    /// Least and greatest value; (0, 0) without values; nil for other types.
    private static func bounds(_ column: Column) -> (Int64, Int64)? {
        switch column.physical {
        case .bool: return (0, 1)
        case .int16: return extremes(column, Int16.self)
        case .int32: return extremes(column, Int32.self)
        case .int64: return extremes(column, Int64.self)
        case .int128, .float32, .float64, .view, .numeric, .interval, .list, .row: return nil
        }
    }

    private static func extremes<T: FixedWidthInteger>(_ column: Column, _: T.Type) -> (Int64, Int64) {
        let values = column.pointer(T.self)
        var (low, high) = (T.max, T.min)
        if let valid = column.validityWords {
            for row in 0..<column.count where Bitmap.get(valid, row) {
                low = min(low, values[row])
                high = max(high, values[row])
            }
        } else {
            for row in 0..<column.count {
                low = min(low, values[row])
                high = max(high, values[row])
            }
        }
        return low <= high ? (Int64(low), Int64(high)) : (0, 0)
    }

    /// Packs the keys of `rows` rows, starting at row `start` of flat columns.
    func pack(_ columns: [Column], from start: Int = 0, rows: Int, into out: UnsafeMutablePointer<UInt64>) {
        for (index, part) in parts.enumerated() {
            let column = Flatten.flat(columns[index])
            switch column.physical {
            case .bool: pack(column, UInt8.self, part, isFirst: index == 0, start, rows, out)
            case .int16: pack(column, Int16.self, part, isFirst: index == 0, start, rows, out)
            case .int32: pack(column, Int32.self, part, isFirst: index == 0, start, rows, out)
            default: pack(column, Int64.self, part, isFirst: index == 0, start, rows, out)
            }
        }
    }

    @inline(__always)
    private func pack<T: FixedWidthInteger>(
        _ column: Column, _: T.Type, _ part: Part, isFirst: Bool, _ start: Int, _ rows: Int,
        _ out: UnsafeMutablePointer<UInt64>
    ) {
        let values = column.pointer(T.self) + start
        let (low, span, shift) = (part.low, part.span, part.shift)
        let extra: UInt64 = part.hasNull ? 1 : 0
        guard let valid = column.validityWords else {
            if isFirst {
                for row in 0..<rows {
                    let code = UInt64(bitPattern: Int64(truncatingIfNeeded: values[row]) &- low)
                    out[row] = code <= span ? code &+ extra : KeyPacking.none
                }
            } else {
                for row in 0..<rows {
                    let code = UInt64(bitPattern: Int64(truncatingIfNeeded: values[row]) &- low)
                    let packed = out[row] | (code &+ extra) &<< shift
                    out[row] = code <= span && out[row] != KeyPacking.none ? packed : KeyPacking.none
                }
            }
            return
        }
        for row in 0..<rows {
            let before = isFirst ? 0 : out[row]
            let code = UInt64(bitPattern: Int64(truncatingIfNeeded: values[row]) &- low)
            var packed = code <= span ? before | (code &+ extra) &<< shift : KeyPacking.none
            if !Bitmap.get(valid, start &+ row) { packed = part.hasNull ? before : KeyPacking.none }
            out[row] = before == KeyPacking.none ? KeyPacking.none : packed
        }
    }
}
