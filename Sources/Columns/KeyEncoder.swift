// Sort keys as unsigned words: comparing the words of two rows orders them, as far as the keys fit. Hot.
// Words are compared as numbers, which is memcmp without swapping bytes.

/// Packs key columns into a fixed number of 64-bit words a row, most significant first.
public struct KeyEncoder: Sendable {
    /// Words of a row, at least 1.
    public let words: Int
    /// Bits in use; the rest of the last word is zero.
    public let bits: Int
    /// Whether equal words mean equal keys. If not, compare the columns from ``firstInexactKey`` on.
    public let isExact: Bool
    /// The first key that the words do not hold wholly.
    public let firstInexactKey: Int
    private let parts: [Part]

    /// Bytes of a string that are encoded at most.
    public static let stringBytesMax = 16
    /// Words of a row at most; keys beyond are left to comparison.
    public static let wordsMax = 4

    private enum Form {
        /// Value minus `low`, in `bits` bits.
        case integer(low: Int128)
        case float
        /// Mantissa at a common scale, minus `low`.
        case numeric(scale: Int, low: Int128)
        /// The nearest double.
        case approximate
        case string(bytes: Int)
    }

    private struct Part {
        let column: Int
        let order: KeyOrder
        let form: Form
        /// Whether one bit for NULL comes before the value.
        let hasNullBit: Bool
        let bits: Int
        /// First bit, counted from the most significant bit of word 0.
        let start: Int
    }

    /// Makes an encoder for exactly these rows: value ranges shrink the keys. Other rows must not be encoded with it.
    public init(fitting columns: [Column], orders: [KeyOrder]) {
        var plan = Plan()
        for (index, column) in columns.enumerated() where plan.isOpen {
            let (form, bits, isExact) = KeyEncoder.fit(column)
            plan.add(index, orders[index], form, bits, hasNullBit: column.validity != nil, isExact: isExact)
        }
        self.init(plan, keys: columns.count)
    }

    /// Makes an encoder for any rows of these types.
    public init(types: [SQLType], orders: [KeyOrder]) {
        var plan = Plan()
        for (index, type) in types.enumerated() where plan.isOpen {
            let (form, bits, isExact) = KeyEncoder.general(type)
            plan.add(index, orders[index], form, bits, hasNullBit: true, isExact: isExact)
        }
        self.init(plan, keys: types.count)
    }

    private init(_ plan: Plan, keys: Int) {
        parts = plan.parts
        bits = plan.bits
        words = max(1, (plan.bits + 63) / 64)
        firstInexactKey = plan.exact
        isExact = plan.exact == keys
    }

    private struct Plan {
        var parts: [Part] = []
        var bits = 0
        /// Keys held wholly so far.
        var exact = 0
        var isOpen = true

        mutating func add(
            _ column: Int, _ order: KeyOrder, _ form: Form?, _ width: Int, hasNullBit: Bool, isExact: Bool
        ) {
            let total = width + (hasNullBit ? 1 : 0)
            guard let form, bits + total <= KeyEncoder.wordsMax * 64 else {
                isOpen = false
                return
            }
            parts.append(
                Part(column: column, order: order, form: form, hasNullBit: hasNullBit, bits: width, start: bits))
            bits += total
            if isExact { exact += 1 } else { isOpen = false }
        }
    }

    /// Writes the words of rows `start..<start + count`, row by row.
    public func encode(
        _ columns: [Column], from start: Int = 0, count: Int, into out: UnsafeMutablePointer<UInt64>
    ) {
        out.update(repeating: 0, count: count * words)
        for part in parts {
            let column = columns[part.column]
            let target = Target(out: out, words: words, start: start, count: count, part: part)
            switch part.form {
            case .integer(let low): KeyEncoder.integers(column, low, target)
            case .float:
                if column.physical == .float32 {
                    target.each(column, Float.self) { KeyEncoder.ordered(Double($0)) }
                } else {
                    target.each(column, Double.self) { KeyEncoder.ordered($0) }
                }
            case .numeric(let scale, let low):
                target.eachWide(column, Numeric.self) {
                    UInt128(truncatingIfNeeded: ($0.mantissa &* DecimalMath.pow10(scale - Int($0.scale))) &- low)
                }
            case .approximate: target.each(column, Numeric.self) { KeyEncoder.ordered($0.orderedDouble) }
            case .string(let bytes):
                var isPadded = false
                if case .char = column.type { isPadded = true }
                if bytes <= 8 {
                    let shift = UInt64(64 - bytes * 8)
                    target.each(column, StringView.self) {
                        (isPadded ? $0.withoutTrailingBlanks : $0).orderedPrefix.high &>> shift
                    }
                } else {
                    target.eachWide(column, StringView.self) {
                        let (high, low) = (isPadded ? $0.withoutTrailingBlanks : $0).orderedPrefix
                        return (UInt128(high) &<< 64 | UInt128(low)) &>> UInt128(128 - bytes * 8)
                    }
                }
            }
        }
    }

    private static func integers(_ column: Column, _ low: Int128, _ target: Target) {
        let base = Int64(truncatingIfNeeded: low)
        switch column.physical {
        case .bool:
            target.each(column, UInt8.self) { UInt64(bitPattern: Int64($0 & 1) &- base) }
        case .int16: target.each(column, Int16.self) { UInt64(bitPattern: Int64($0) &- base) }
        case .int32: target.each(column, Int32.self) { UInt64(bitPattern: Int64($0) &- base) }
        case .int64: target.each(column, Int64.self) { UInt64(bitPattern: $0 &- base) }
        case .interval: target.eachWide(column, Interval.self) { UInt128(truncatingIfNeeded: $0.comparisonKey &- low) }
        default: target.eachWide(column, Int128.self) { UInt128(truncatingIfNeeded: $0 &- low) }
        }
    }

    /// Maps doubles to integers of the same order: -0 is 0, NaN the greatest.
    @inline(__always)
    private static func ordered(_ value: Double) -> UInt64 {
        if value != value { return ~0 }
        let bits = (value == 0 ? 0 : value).bitPattern
        return bits &>> 63 == 0 ? bits | 1 &<< 63 : ~bits
    }

    // MARK: - Choosing forms

    private static func general(_ type: SQLType) -> (Form?, Int, Bool) {
        switch type.physical {
        case .bool: (.integer(low: 0), 1, true)
        case .int16: (.integer(low: Int128(Int16.min)), 16, true)
        case .int32: (.integer(low: Int128(Int32.min)), 32, true)
        case .int64: (.integer(low: Int128(Int64.min)), 64, true)
        case .int128, .interval: (.integer(low: Int128.min), 128, true)
        case .float32, .float64: (.float, 64, true)
        case .numeric: (.approximate, 64, false)
        case .view: type == .jsonb ? (nil, 0, false) : (.string(bytes: 8), 64, false)
        case .list, .row: (nil, 0, false)
        }
    }

    private static func fit(_ column: Column) -> (Form?, Int, Bool) {
        switch column.physical {
        case .bool: return general(column.type)
        case .int16: return ranged(range(column, Int16.self) { Int64($0) })
        case .int32: return ranged(range(column, Int32.self) { Int64($0) })
        case .int64: return ranged(range(column, Int64.self) { $0 })
        case .int128: return ranged(range(column, Int128.self) { $0 })
        case .interval: return ranged(range(column, Interval.self) { $0.comparisonKey })
        case .float32, .float64, .list, .row: return general(column.type)
        case .numeric: return numeric(column)
        case .view:
            guard column.type != .jsonb else { return general(column.type) }
            var isBytes = false
            if case .bytea = column.type { isBytes = true }
            let longest = range(column, StringView.self) { Int64($0.count) }?.high ?? 0
            // Zero bytes of bytea look like the end of a shorter string.
            let bytes = max(1, min(Int(longest), stringBytesMax))
            return (.string(bytes: bytes), bytes * 8, !isBytes && Int(longest) <= stringBytesMax)
        }
    }

    private static func ranged<I: FixedWidthInteger>(_ range: (low: I, high: I)?) -> (Form?, Int, Bool) {
        guard let range else { return (.integer(low: 0), 0, true) }
        let span = UInt128(truncatingIfNeeded: Int128(range.high) &- Int128(range.low))
        return (.integer(low: Int128(range.low)), 128 - span.leadingZeroBitCount, true)
    }

    /// All values at the largest scale when that fits, else doubles.
    private static func numeric(_ column: Column) -> (Form?, Int, Bool) {
        let reader = KeyReader(column, Numeric.self)
        var (scale, smallest, isFinite): (Int32, Int32, Bool) = (0, Int32.max, true)
        var (low, high) = (Int128.max, Int128.min)
        for row in 0..<column.count where reader.isValid(row) {
            let number = reader.value(row)
            isFinite = isFinite && number.isFinite
            scale = max(scale, number.scale)
            smallest = min(smallest, number.scale)
            low = min(low, number.mantissa)
            high = max(high, number.mantissa)
        }
        guard isFinite else { return (.approximate, 64, false) }
        guard low <= high else { return (.integer(low: 0), 0, true) }
        let factor = DecimalMath.pow10(Int(scale - smallest))
        guard max(low.magnitude, high.magnitude) < DecimalMath.limit.magnitude / factor.magnitude else {
            return (.approximate, 64, false)
        }
        let (first, last) = (min(low, 0) * factor, max(high, 0) * factor)
        let span = UInt128(truncatingIfNeeded: last &- first)
        return (.numeric(scale: Int(scale), low: first), 128 - span.leadingZeroBitCount, true)
    }

    @inline(__always)
    private static func range<T, I: FixedWidthInteger>(
        _ column: Column, _: T.Type, _ number: (T) -> I
    ) -> (low: I, high: I)? {
        let reader = KeyReader(column, T.self)
        var (low, high) = (I.max, I.min)
        for row in 0..<column.count where reader.isValid(row) {
            let value = number(reader.value(row))
            low = min(low, value)
            high = max(high, value)
        }
        return low <= high ? (low, high) : nil
    }

    // MARK: - Writing bits

    private struct Target {
        let out: UnsafeMutablePointer<UInt64>
        let words: Int
        let start: Int
        let count: Int
        let part: Part

        @inline(__always)
        func each<T>(_ column: Column, _: T.Type, _ encode: (T) -> UInt64) {
            let reader = KeyReader(column, T.self)
            let bits = part.bits
            let mask: UInt64 = bits >= 64 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: bits)) &- 1
            let flip: UInt64 = part.order.isDescending ? mask : 0
            let first = part.start &+ (part.hasNullBit ? 1 : 0)
            for index in 0..<count {
                let row = start &+ index
                let isValid = reader.isValid(row)
                if part.hasNullBit { put(index, part.start, 1, isValid == part.order.nullsFirst ? 1 : 0) }
                if isValid { put(index, first, bits, (encode(reader.value(row)) ^ flip) & mask) }
            }
        }

        @inline(__always)
        func eachWide<T>(_ column: Column, _: T.Type, _ encode: (T) -> UInt128) {
            let reader = KeyReader(column, T.self)
            let bits = part.bits
            let mask: UInt128 = bits >= 128 ? ~0 : (1 &<< UInt128(truncatingIfNeeded: bits)) &- 1
            let flip: UInt128 = part.order.isDescending ? mask : 0
            let first = part.start &+ (part.hasNullBit ? 1 : 0)
            let highBits = max(0, bits &- 64)
            for index in 0..<count {
                let row = start &+ index
                let isValid = reader.isValid(row)
                if part.hasNullBit { put(index, part.start, 1, isValid == part.order.nullsFirst ? 1 : 0) }
                guard isValid else { continue }
                let value = (encode(reader.value(row)) ^ flip) & mask
                if highBits > 0 { put(index, first, highBits, UInt64(truncatingIfNeeded: value &>> 64)) }
                put(index, first &+ highBits, min(bits, 64), UInt64(truncatingIfNeeded: value))
            }
        }

        /// Ors `width` bits into a row's words.
        @inline(__always)
        private func put(_ index: Int, _ at: Int, _ width: Int, _ value: UInt64) {
            guard width > 0 else { return }
            let word = index &* words &+ at &>> 6
            let free = 64 &- (at & 63)
            if width <= free {
                out[word] |= value &<< UInt64(truncatingIfNeeded: free &- width)
            } else {
                let spill = width &- free
                out[word] |= value &>> UInt64(truncatingIfNeeded: spill)
                out[word &+ 1] |= value &<< UInt64(truncatingIfNeeded: 64 &- spill)
            }
        }
    }
}

extension StringView {
    /// The first 16 bytes as two big-endian numbers, padded with zeros: they order as the bytes do.
    @inline(__always)
    var orderedPrefix: (high: UInt64, low: UInt64) {
        if isInline { return ((head &>> 32 | tail &<< 32).byteSwapped, (tail &>> 32).byteSwapped) }
        let bytes = address
        let high = bytes.loadUnaligned(as: UInt64.self).byteSwapped
        if count >= 16 { return (high, bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).byteSwapped) }
        // 13 to 15 bytes: the last eight overlap the first eight.
        let last = bytes.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self).byteSwapped
        return (high, last &<< UInt64(truncatingIfNeeded: (16 &- count) &* 8))
    }
}

extension Numeric {
    /// A double that never orders against the number's order; infinities and NaN keep their place.
    var orderedDouble: Double {
        if isFinite { return double }
        if isNaN { return .nan }
        return mantissa > 0 ? .infinity : -.infinity
    }
}
