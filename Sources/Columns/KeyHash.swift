// Hashes of key columns for joins, groups and set operations: equal values have equal hashes, whatever the layout. Hot.

/// Hashes rows of columns.
public enum KeyHash {
    /// What NULL hashes to.
    public static let null: UInt64 = 0x5bd1_e995_9d1b_58a3

    /// Spreads the bits of a value.
    @inlinable @inline(__always)
    public static func mix(_ value: UInt64) -> UInt64 {
        let (high, low) = (value ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        return high ^ low
    }

    /// Joins the hash of a further value to a hash.
    @inlinable @inline(__always)
    public static func combine(_ seed: UInt64, _ value: UInt64) -> UInt64 {
        let (high, low) = (seed ^ 0xe703_7ed1_a0b4_28db).multipliedFullWidth(by: value ^ 0x8ebc_6af0_9c88_c6e3)
        return high ^ low
    }

    /// Hashes the first `rows` rows over all columns. Columns of equal types give equal hashes for equal rows: numerics
    /// by value, -0.0 as 0.0, NaN as NaN, `char(n)` without trailing blanks, NULL as NULL.
    public static func hash(_ columns: [Column], rows: Int, into out: UnsafeMutablePointer<UInt64>) {
        if columns.isEmpty { out.update(repeating: mix(0), count: rows) }
        for (index, column) in columns.enumerated() { hash(column, rows: rows, into: out, combining: index > 0) }
    }

    /// Hashes one column; `combining` joins to what `out` holds.
    public static func hash(
        _ column: Column, rows: Int, into out: UnsafeMutablePointer<UInt64>, combining: Bool = false
    ) {
        guard rows > 0 else { return }
        switch column.layout {
        case .flat: flat(column, rows, out, combining)
        case .constant:
            let value: UInt64 = column.isValid(0) ? single(column) : null
            if combining {
                for row in 0..<rows { out[row] = combine(out[row], value) }
            } else {
                out.update(repeating: value, count: rows)
            }
        case .dictionary: dictionary(column, rows, out, combining)
        }
    }

    /// Hashes one text or byte string.
    @inlinable
    public static func hash(_ view: StringView) -> UInt64 {
        view.isInline ? combine(mix(view.head), view.tail) : bytes(view.address, view.count)
    }

    /// Hashes a number by value: 1.50 as 1.5.
    public static func hash(_ number: Numeric) -> UInt64 {
        let normal = number.normal
        return hash(normal.mantissa) &+ mix(UInt64(truncatingIfNeeded: normal.scale))
    }

    @inlinable @inline(__always)
    static func hash(_ value: Int128) -> UInt64 {
        combine(
            mix(UInt64(truncatingIfNeeded: value)), UInt64(truncatingIfNeeded: value &>> 64))
    }

    @inlinable @inline(__always)
    static func hash(_ value: Double) -> UInt64 {
        if value != value { return 0x7ff8_0000_dead_beef }
        return mix(value == 0 ? 0 : value.bitPattern)
    }

    /// Hashes bytes; reads no further than the count (at least 8).
    @inlinable
    static func bytes(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var hash = mix(UInt64(truncatingIfNeeded: count))
        var at = 0
        while at &+ 8 <= count {
            hash = combine(hash, base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at &+= 8
        }
        // Only strings above 12 bytes come here: the last eight bytes overlap what was hashed.
        if at < count { hash = combine(hash, base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)) }
        return mix(hash)
    }

    private static func single(_ column: Column) -> UInt64 {
        var value: UInt64 = 0
        let one = Column(
            column.type, count: 1, values: column.values, heaps: column.heaps, child: column.child,
            fields: column.fields)
        withUnsafeMutablePointer(to: &value) { flat(one, 1, $0, false) }
        return value
    }

    private static func dictionary(
        _ column: Column, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>, _ combining: Bool
    ) {
        guard let dictionary = column.dictionary, dictionary.count <= rows else {
            // Hashing a big dictionary would cost more than the batch.
            flat(Flatten.flat(column), rows, out, combining)
            return
        }
        let hashes = Buffer(count: max(1, dictionary.count), of: UInt64.self)
        let known = hashes.pointer(UInt64.self)
        flat(dictionary, dictionary.count, known, false)
        let (codes, valid) = (column.codes, column.validityWords)
        for row in 0..<rows {
            var value = null
            if valid.map({ Bitmap.get($0, row) }) ?? true { value = known[Int(codes[row])] }
            out[row] = combining ? combine(out[row], value) : value
        }
    }

    private static func flat(
        _ column: Column, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>, _ combining: Bool
    ) {
        switch column.physical {
        case .bool: each(column, rows, out, combining, UInt8.self) { mix(UInt64($0)) }
        case .int16: each(column, rows, out, combining, Int16.self) { mix(UInt64(truncatingIfNeeded: $0)) }
        case .int32: each(column, rows, out, combining, Int32.self) { mix(UInt64(truncatingIfNeeded: $0)) }
        case .int64: each(column, rows, out, combining, Int64.self) { mix(UInt64(truncatingIfNeeded: $0)) }
        case .int128: each(column, rows, out, combining, Int128.self) { hash($0) }
        case .float32: each(column, rows, out, combining, Float.self) { hash(Double($0)) }
        case .float64: each(column, rows, out, combining, Double.self) { hash($0) }
        case .numeric: each(column, rows, out, combining, Numeric.self) { hash($0) }
        case .interval: each(column, rows, out, combining, Interval.self) { hash($0.comparisonKey) }
        case .view:
            switch column.type {
            case .char: each(column, rows, out, combining, StringView.self) { hash($0.withoutTrailingBlanks) }
            case .jsonb:
                each(column, rows, out, combining, StringView.self) { view in
                    let key = view.jsonKey
                    return key.withUnsafeBytes { raw in raw.baseAddress.map { bytes($0, raw.count) } ?? 0 }
                }
            default: each(column, rows, out, combining, StringView.self) { hash($0) }
            }
        case .list:
            guard let child = column.child else { return }
            let hashes = Buffer(count: max(1, child.count), of: UInt64.self)
            let elements = hashes.pointer(UInt64.self)
            hash(child, rows: child.count, into: elements)
            each(column, rows, out, combining, ListSpan.self) { span in
                var value = mix(UInt64(truncatingIfNeeded: span.count))
                for index in Int(span.start)..<Int(span.start) + Int(span.count) {
                    value = combine(value, elements[index])
                }
                return value
            }
        case .row:
            let places = column.fields.first?.count ?? 0
            let hashes = Buffer(count: max(1, places), of: UInt64.self)
            let parts = hashes.pointer(UInt64.self)
            hash(column.fields, rows: places, into: parts)
            each(column, rows, out, combining, Int32.self) { parts[Int($0)] }
        }
    }

    @inline(__always)
    private static func each<T>(
        _ column: Column, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>, _ combining: Bool, _: T.Type,
        _ hash: (T) -> UInt64
    ) {
        let values = column.pointer(T.self)
        guard let valid = column.validityWords else {
            if combining {
                for row in 0..<rows { out[row] = combine(out[row], hash(values[row])) }
            } else {
                for row in 0..<rows { out[row] = hash(values[row]) }
            }
            return
        }
        // Values of NULL rows may be anything, so they are not looked at.
        for row in 0..<rows {
            let value = Bitmap.get(valid, row) ? hash(values[row]) : null
            out[row] = combining ? combine(out[row], value) : value
        }
    }
}

extension StringView {
    /// The same text without the blanks at its end: how `char(n)` compares.
    public var withoutTrailingBlanks: StringView {
        withBytes { bytes in
            var length = bytes.count
            while length > 0, bytes[length &- 1] == 0x20 { length &-= 1 }
            guard length < bytes.count else { return self }
            guard length > 0, let base = bytes.baseAddress else { return StringView(head: 0, tail: 0) }
            return StringView(base, length)
        }
    }
}

extension Numeric {
    /// The same value without zeros at the end of its fraction: equal values have equal bits.
    public var normal: Numeric {
        guard isFinite else { return Numeric(mantissa, scale: 0) }
        var left = scale
        if mantissa <= Int128(Int64.max), mantissa >= Int128(Int64.min) {
            var digits = Int64(truncatingIfNeeded: mantissa)
            while left > 0, digits % 10 == 0 {
                digits /= 10
                left &-= 1
            }
            return Numeric(Int128(digits), scale: Int(left))
        }
        var digits = mantissa
        while left > 0 {
            let (quotient, rest) = digits.quotientAndRemainder(dividingBy: 10)
            guard rest == 0 else { break }
            digits = quotient
            left &-= 1
        }
        return Numeric(digits, scale: Int(left))
    }
}
