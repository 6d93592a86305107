// Hashes of values: sets of literals and group keys use them. Hot.
import Columns

enum Hash {
    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        let (high, low) = (value ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        return high ^ low
    }

    @inline(__always)
    static func combine(_ seed: UInt64, _ value: UInt64) -> UInt64 {
        let (high, low) = (seed ^ 0xe703_7ed1_a0b4_28db).multipliedFullWidth(by: value ^ 0x8ebc_6af0_9c88_c6e3)
        return high ^ low
    }

    /// Hashes bytes; reads up to the count only.
    static func bytes(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: count) &* 0x9e37_79b9_7f4a_7c15
        var at = 0
        while at &+ 8 <= count {
            hash = combine(hash, base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at &+= 8
        }
        if at < count {
            // Only long strings come here: the last eight bytes overlap what was hashed.
            hash = combine(hash, base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
        }
        return mix(hash)
    }
}

extension StringView {
    /// A hash of the content, whatever memory holds it.
    @inline(__always)
    var contentHash: UInt64 {
        if isInline { return Hash.combine(Hash.mix(head), tail) }
        return Hash.bytes(address, count)
    }
}

/// Hashes of rows of key columns: equal keys have equal hashes, whatever the layout.
enum KeyHash {
    /// Writes a hash a row over all columns.
    static func write(_ columns: [Column], _ rows: Int, to out: UnsafeMutablePointer<UInt64>) {
        for row in 0..<rows { out[row] = 0x243f_6a88_85a3_08d3 }
        for column in columns { add(column, rows, out) }
    }

    private static func add(_ column: Column, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>) {
        let flat = column.flat()
        switch flat.physical {
        case .bool: each(flat, UInt8.self, rows, out) { UInt64($0) }
        case .int16: each(flat, Int16.self, rows, out) { UInt64(truncatingIfNeeded: $0) }
        case .int32: each(flat, Int32.self, rows, out) { UInt64(truncatingIfNeeded: $0) }
        case .int64: each(flat, Int64.self, rows, out) { UInt64(bitPattern: $0) }
        case .int128: each(flat, Int128.self, rows, out) { folded($0) }
        case .float32: each(flat, Float.self, rows, out) { $0 == 0 ? 0 : ($0 == $0 ? UInt64($0.bitPattern) : 1) }
        case .float64: each(flat, Double.self, rows, out) { $0 == 0 ? 0 : ($0 == $0 ? $0.bitPattern : 1) }
        case .view: each(flat, StringView.self, rows, out) { $0.contentHash }
        case .numeric: each(flat, Numeric.self, rows, out) { folded($0.normalized.mantissa) }
        case .interval: each(flat, Interval.self, rows, out) { folded($0.comparisonKey) }
        case .list:
            for row in 0..<rows {
                let key = flat.scalar(row).equalityKey
                out[row] = Hash.combine(out[row], UInt64(truncatingIfNeeded: key.hashValue))
            }
        }
    }

    @inline(__always)
    private static func folded(_ value: Int128) -> UInt64 {
        UInt64(truncatingIfNeeded: value) ^ Hash.mix(UInt64(truncatingIfNeeded: value &>> 64))
    }

    @inline(__always)
    private static func each<T>(
        _ column: Column, _: T.Type, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>, _ bits: (T) -> UInt64
    ) {
        let values = column.pointer(T.self)
        guard let validity = column.validityWords else {
            for row in 0..<rows { out[row] = Hash.combine(out[row], bits(values[row])) }
            return
        }
        for row in 0..<rows {
            let value = Bitmap.get(validity, row) ? bits(values[row]) : 0x5bd1_e995_9d1b_58d7
            out[row] = Hash.combine(out[row], value)
        }
    }
}
