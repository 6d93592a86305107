// Where the keys of a group stand in its words. Hot.
import Columns

/// Packs key values into 64-bit words.
struct KeyLayout {
    struct Place {
        var word: Int
        var shift: UInt64
        /// Low bits of the value.
        var mask: UInt64
    }

    /// What the values seen so far need.
    struct Needs: Equatable {
        /// Some value is NULL.
        var hasNull = false
        /// Some 64-bit value does not fit 32 bits.
        var isWide = false
    }

    let places: [Place]
    let needs: [Needs]
    /// 64-bit integers of which only 32 bits are kept.
    private let isNarrow: [Bool]
    let nullPlaces: [Place?]
    let words: Int

    /// Bits of a value that is stored as it is; nil for types that are interned.
    static func bits(_ physical: PhysicalType) -> Int? {
        switch physical {
        case .bool: 1
        case .int16: 16
        case .int32, .float32: 32
        case .int64, .float64: 64
        case .int128, .view, .numeric, .interval, .list, .row: nil
        }
    }

    init(_ types: [SQLType], needs: [Needs]) {
        self.needs = needs
        isNarrow = zip(types, needs).map { $0.physical == .int64 && !$1.isWide }
        var used: [Int] = []
        func place(_ bits: Int) -> Place {
            let mask: UInt64 = bits == 64 ? .max : (1 << UInt64(bits)) - 1
            for word in used.indices where used[word] + bits <= 64 {
                used[word] += bits
                return Place(word: word, shift: UInt64(used[word] - bits), mask: mask)
            }
            used.append(bits)
            return Place(word: used.count - 1, shift: 0, mask: mask)
        }
        places = zip(types, isNarrow).map { place($1 ? 32 : KeyLayout.bits($0.physical) ?? 32) }
        nullPlaces = needs.map { $0.hasNull ? place(1) : nil }
        words = max(1, used.count)
    }

    /// Whether a 64-bit integer column, NULL rows included, has values that 32 bits cannot hold.
    static func isWide(_ values: UnsafePointer<Int64>, _ rows: Int) -> Bool {
        var high: Int64 = 0
        for row in 0..<rows { high |= values[row] ^ (values[row] &>> 63) }
        return high >= 1 << 31
    }

    /// Adds the values of a flat column to the words of its rows.
    func encode(_ key: Int, _ column: Column, _ rows: Int, to words: UnsafeMutablePointer<UInt64>) {
        let place = places[key]
        let (out, width, shift) = (words + place.word, self.words, place.shift)
        if isNarrow[key] {
            KeyLayout.add(column.pointer(Int64.self), rows, out, width, shift) { UInt64(bitPattern: $0) & 0xffff_ffff }
            return
        }
        KeyLayout.encode(column, rows, out, width, shift)
    }

    private static func encode(
        _ column: Column, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>, _ width: Int, _ shift: UInt64
    ) {
        switch column.physical {
        case .bool: add(column.pointer(UInt8.self), rows, out, width, shift) { UInt64($0 & 1) }
        case .int16: add(column.pointer(Int16.self), rows, out, width, shift) { UInt64(UInt16(bitPattern: $0)) }
        case .int32: add(column.pointer(Int32.self), rows, out, width, shift) { UInt64(UInt32(bitPattern: $0)) }
        case .int64: add(column.pointer(Int64.self), rows, out, width, shift) { UInt64(bitPattern: $0) }
        case .float32: add(column.pointer(Float.self), rows, out, width, shift) { UInt64(canonical($0).bitPattern) }
        case .float64: add(column.pointer(Double.self), rows, out, width, shift) { canonical($0).bitPattern }
        case .int128, .view, .numeric, .interval, .list, .row: break
        }
    }

    @inline(__always)
    private static func add<T>(
        _ values: UnsafePointer<T>, _ rows: Int, _ out: UnsafeMutablePointer<UInt64>, _ width: Int,
        _ shift: UInt64, _ bits: (T) -> UInt64
    ) {
        if width == 1 {
            for row in 0..<rows { out[row] |= bits(values[row]) &<< shift }
        } else {
            for row in 0..<rows { out[row &* width] |= bits(values[row]) &<< shift }
        }
    }

    /// One zero and one NaN.
    @inline(__always)
    private static func canonical<T: BinaryFloatingPoint>(_ value: T) -> T {
        value == 0 ? 0 : (value == value ? value : T.nan)
    }

    func value(_ key: Int, _ row: UnsafePointer<UInt64>) -> UInt64 {
        let bits = (row[places[key].word] >> places[key].shift) & places[key].mask
        return isNarrow[key] ? UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: bits))) : bits
    }

    func put(_ value: UInt64, _ key: Int, _ row: UnsafeMutablePointer<UInt64>) {
        row[places[key].word] |= (value & places[key].mask) << places[key].shift
    }

    func isNull(_ key: Int, _ row: UnsafePointer<UInt64>) -> Bool {
        guard let null = nullPlaces[key] else { return false }
        return (row[null.word] >> null.shift) & 1 != 0
    }

    func putNull(_ key: Int, _ row: UnsafeMutablePointer<UInt64>) {
        if let null = nullPlaces[key] { row[null.word] |= 1 << null.shift }
    }

    /// The values of a plain key for a range of groups.
    func decode(_ key: Int, _ type: SQLType, _ all: UnsafePointer<UInt64>, _ range: Range<Int>) -> Column {
        let place = places[key]
        let from = all + range.lowerBound * words + place.word
        let values = Buffer(bytes: max(1, range.count) * type.physical.stride)
        switch type.physical {
        case .bool: take(from, range.count, place, values.pointer(UInt8.self))
        case .int16: take(from, range.count, place, values.pointer(UInt16.self))
        case .int32, .float32: take(from, range.count, place, values.pointer(UInt32.self))
        default:
            guard !isNarrow[key] else {
                let out = values.pointer(Int64.self)
                for row in 0..<range.count {
                    out[row] = Int64(Int32(truncatingIfNeeded: from[row &* words] &>> place.shift))
                }
                break
            }
            take(from, range.count, place, values.pointer(UInt64.self))
        }
        guard let null = nullPlaces[key] else { return Column(type, count: range.count, values: values) }
        let validity = Bitmap.make(range.count, all: true)
        let bits = validity.pointer(UInt64.self)
        let flags = all + range.lowerBound * words + null.word
        for row in 0..<range.count where (flags[row &* words] &>> null.shift) & 1 != 0 { Bitmap.clear(bits, row) }
        return Column(type, count: range.count, values: values, validity: validity)
    }

    @inline(__always)
    private func take<T: FixedWidthInteger>(
        _ from: UnsafePointer<UInt64>, _ count: Int, _ place: Place, _ out: UnsafeMutablePointer<T>
    ) {
        // A boolean is one bit of the eight that a UInt8 would take along.
        for row in 0..<count { out[row] = T(truncatingIfNeeded: (from[row &* words] &>> place.shift) & place.mask) }
    }
}
