// Binary form of values (PostgreSQL's send functions): network byte order, days and microseconds since 2000. Hot.
import Columns
import Diagnostics

/// Values in binary format. `write` puts a value at a pointer with room for ``TextForm/fixedMax`` bytes.
enum BinaryForm {
    /// A string of bits: their number, and bytes filled up with zeros.
    static func append(bits text: String, to out: inout [UInt8]) {
        let bits = Array(text.utf8)
        append(Int32(truncatingIfNeeded: bits.count), &out)
        var at = 0
        while at < bits.count {
            var byte: UInt8 = 0
            for index in at..<at + 8 { byte = byte << 1 | (index < bits.count && bits[index] == 49 ? 1 : 0) }
            out.append(byte)
            at += 8
        }
    }

    /// Family, bits of the network, whether it is a cidr, the address.
    static func append(address key: UnsafeRawBufferPointer, isNetwork: Bool, to out: inout [UInt8]) {
        guard let value = NetworkAddress(key: key) else { return }
        let bytes = value.width / 8
        out += [value.isIPv6 ? 3 : 2, UInt8(truncatingIfNeeded: value.bits), isNetwork ? 1 : 0, UInt8(bytes)]
        for index in (0..<bytes).reversed() {
            out.append(UInt8(truncatingIfNeeded: value.address >> UInt128(8 * index)))
        }
    }

    /// The time, and seconds west of UTC.
    static func append(timetz packed: Int64, to out: inout [UInt8]) {
        let value = ZonedTime(packed: packed)
        append(value.time, &out)
        append(-value.offset, &out)
    }

    /// What stands in front of jsonb in binary.
    static let jsonbVersion: UInt8 = 1

    /// Dimensions of an array, as PostgreSQL's MAXDIM.
    private static let dimensionsMax = 6

    @inline(__always)
    static func date(_ days: Int32) -> Int32 {
        days == Calendar.dateInfinity || days == Calendar.dateNegativeInfinity
            ? days : days &- Int32(PostgresEpoch.days)
    }

    @inline(__always)
    static func timestamp(_ microseconds: Int64) -> Int64 {
        microseconds == Calendar.infinity || microseconds == Calendar.negativeInfinity
            ? microseconds : microseconds &- PostgresEpoch.microseconds
    }

    @inline(__always)
    static func write(interval value: Interval, to at: UnsafeMutablePointer<UInt8>) -> Int {
        at.storeBig(value.microseconds)
        (at + 8).storeBig(value.days)
        (at + 12).storeBig(value.months)
        return 16
    }

    @inline(__always)
    static func write(uuid stored: Int128, to at: UnsafeMutablePointer<UInt8>) -> Int {
        let number = UUIDBits.number(stored)
        at.storeBig(UInt64(truncatingIfNeeded: number &>> 64))
        (at + 8).storeBig(UInt64(truncatingIfNeeded: number))
        return 16
    }

    static func write(numeric value: Numeric, to at: UnsafeMutablePointer<UInt8>) -> Int {
        guard value.isFinite else {
            return header(
                at, digits: 0, weight: 0, sign: value.isNaN ? 0xC000 : value.mantissa > 0 ? 0xD000 : 0xF000,
                scale: value.isNaN ? 0 : 32)
        }
        return write(decimal: value.mantissa, scale: Int(value.scale), to: at)
    }

    static func write(decimal mantissa: Int128, scale: Int, to at: UnsafeMutablePointer<UInt8>) -> Int {
        let magnitude = mantissa.magnitude
        // A scale of 16 keeps the fraction, padded to whole groups, within 64 bits.
        if magnitude <= UInt128(UInt64.max), scale <= 16 {
            return groups(UInt64(truncatingIfNeeded: magnitude), mantissa < 0, scale, at)
        }
        return groups(magnitude, mantissa < 0, scale, at)
    }

    @inline(__always)
    private static func header(
        _ at: UnsafeMutablePointer<UInt8>, digits: Int, weight: Int, sign: UInt16, scale: Int
    ) -> Int {
        at.storeBig(UInt16(truncatingIfNeeded: digits))
        (at + 2).storeBig(Int16(truncatingIfNeeded: weight))
        (at + 4).storeBig(sign)
        (at + 6).storeBig(UInt16(truncatingIfNeeded: scale))
        return 8 &+ digits &* 2
    }

    @inline(__always)
    private static func power<T: FixedWidthInteger & UnsignedInteger>(_ exponent: Int, _: T.Type) -> T {
        T(truncatingIfNeeded: DecimalMath.pow10(exponent))
    }

    /// Writes base-10000 groups: those before the point from its right, those behind it from its left, without
    /// leading and trailing zero groups.
    @inline(__always)
    private static func groups<T: FixedWidthInteger & UnsignedInteger>(
        _ magnitude: T, _ isNegative: Bool, _ scale: Int, _ at: UnsafeMutablePointer<UInt8>
    ) -> Int {
        // 39 digits before the point make 10 groups, 38 behind it another 10.
        withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 24) { room in
            let unit = power(scale, T.self)
            var whole = scale == 0 ? magnitude : magnitude / unit
            var rest = scale == 0 ? 0 : magnitude &- whole &* unit
            var first = 12
            while whole != 0 {
                let next = whole / 10_000
                first &-= 1
                room[first] = UInt16(truncatingIfNeeded: whole &- next &* 10_000)
                whole = next
            }
            var end = 12
            var weight = 11 &- first
            var left = scale
            while left > 0, rest != 0 {
                let unit = left > 4 ? power(left &- 4, T.self) : 1
                let group = left >= 4 ? rest / unit : rest &* power(4 &- left, T.self)
                rest = left >= 4 ? rest &- group &* unit : 0
                left &-= 4
                if end == first, group == 0 {
                    // A zero group in front of the first digit only moves the weight.
                    weight &-= 1
                } else {
                    room[end] = UInt16(truncatingIfNeeded: group)
                    end &+= 1
                }
            }
            while end > first, room[end &- 1] == 0 { end &-= 1 }
            let count = end &- first
            var index = 0
            while index < count {
                (at + (8 &+ index &* 2)).storeBig(room[first &+ index])
                index &+= 1
            }
            if count == 0 { weight = 0 }
            return header(
                at, digits: count, weight: weight, sign: isNegative && count > 0 ? 0x4000 : 0, scale: scale)
        }
    }

    // MARK: Arrays

    /// Appends the value of a row of an array, a struct or a map.
    static func append(
        nested column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]
    ) throws(SQLError) {
        switch column.type {
        case .row: try append(record: column, row, zone: zone, to: &out)
        case .map: TextForm.append(column, row, zone: zone, to: &out)
        default: try append(array: column, row, zone: zone, to: &out)
        }
    }

    /// Appends the struct of a row as record_send does: the number of fields; type, length and value of each.
    private static func append(
        record column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]
    ) throws(SQLError) {
        let fields = column.storage.fields
        let place = Int(column.storage.pointer(Int32.self)[column.slot(row)])
        append(UInt32(fields.count), &out)
        for field in fields {
            append(PostgresType.oid(field.type), &out)
            try append(element: field, place, zone: zone, to: &out)
        }
    }

    /// Appends the array of a row: dimensions, element type, elements.
    private static func append(
        array column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]
    ) throws(SQLError) {
        var sizes: [Int] = []
        var rows = span(column, row)
        var level = column.storage
        guard var child = level.child else { return appendHeader([], column.type, hasNull: false, &out) }
        // Nested lists are one array of several dimensions, if they are rectangular.
        var spans = [rows]
        while true {
            sizes.append(rows.count)
            guard case .array = child.type, !rows.isEmpty else { break }
            var inner: [Range<Int>] = []
            for outer in spans {
                for index in outer {
                    guard child.isValid(index) else { throw notRectangular }
                    inner.append(span(child, index))
                }
            }
            guard let first = inner.first, inner.allSatisfy({ $0.count == first.count }),
                sizes.count < dimensionsMax
            else { throw notRectangular }
            rows = first
            spans = inner
            level = child.storage
            guard let next = level.child else { break }
            child = next
        }
        guard !sizes.contains(0) else { return appendHeader([], column.type, hasNull: false, &out) }
        let hasNull = spans.contains { $0.contains { !child.isValid($0) } }
        appendHeader(sizes, column.type, hasNull: hasNull, &out)
        for span in spans {
            for index in span { try append(element: child, index, zone: zone, to: &out) }
        }
    }

    private static var notRectangular: SQLError {
        SQLError(SQLState("2202E"), "multidimensional arrays must have array expressions with matching dimensions")
    }

    private static func span(_ column: Column, _ row: Int) -> Range<Int> {
        let span = column.storage.pointer(ListSpan.self)[column.slot(row)]
        return Int(span.start)..<Int(span.start) + Int(span.count)
    }

    private static func appendHeader(_ sizes: [Int], _ type: SQLType, hasNull: Bool, _ out: inout [UInt8]) {
        append(UInt32(sizes.count), &out)
        append(UInt32(hasNull ? 1 : 0), &out)
        append(PostgresType.elementOID(type), &out)
        for size in sizes {
            append(UInt32(size), &out)
            append(UInt32(1), &out)
        }
    }

    private static func append<T: FixedWidthInteger>(_ value: T, _ out: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { out.append(contentsOf: $0) }
    }

    private static func append(
        element column: Column, _ row: Int, zone: SessionTimeZone, to out: inout [UInt8]
    ) throws(SQLError) {
        guard column.isValid(row) else { return append(Int32(-1), &out) }
        let start = out.count
        append(UInt32(0), &out)
        if column.type.isNested {
            try append(nested: column, row, zone: zone, to: &out)
        } else {
            append(value: column, row, to: &out)
        }
        let length = UInt32(truncatingIfNeeded: out.count - start - 4).bigEndian
        withUnsafeBytes(of: length) { out.replaceSubrange(start..<start + 4, with: $0) }
    }

    private static func append(value column: Column, _ row: Int, to out: inout [UInt8]) {
        let at = column.slot(row)
        let from = column.storage
        switch column.physical {
        case .bool: out.append(from.pointer(UInt8.self)[at] != 0 ? 1 : 0)
        case .int16: append(from.pointer(Int16.self)[at], &out)
        case .int32:
            let value = from.pointer(Int32.self)[at]
            if case .enumeration(let labels) = column.type {
                out.append(contentsOf: labels.label(value).utf8)
            } else {
                append(column.type == .date ? date(value) : value, &out)
            }
        case .int64:
            let value = from.pointer(Int64.self)[at]
            switch column.type {
            case .decimal(_, let scale):
                TextForm.append(to: &out) { write(decimal: Int128(value), scale: scale, to: $0) }
            case .timestamp, .timestamptz: append(timestamp(value), &out)
            case .system(.timetz): append(timetz: value, to: &out)
            case .system: append(UInt32(truncatingIfNeeded: value), &out)
            default: append(value, &out)
            }
        case .int128:
            let value = from.pointer(Int128.self)[at]
            if case .decimal(_, let scale) = column.type {
                TextForm.append(to: &out) { write(decimal: value, scale: scale, to: $0) }
            } else {
                TextForm.append(to: &out) { write(uuid: value, to: $0) }
            }
        case .float32: append(from.pointer(UInt32.self)[at], &out)
        case .float64: append(from.pointer(UInt64.self)[at], &out)
        case .numeric:
            let value = from.pointer(Numeric.self)[at]
            TextForm.append(to: &out) { write(numeric: value, to: $0) }
        case .interval:
            let value = from.pointer(Interval.self)[at]
            TextForm.append(to: &out) { write(interval: value, to: $0) }
        case .view:
            if column.type == .jsonb { out.append(jsonbVersion) }
            if column.type.isNetwork {
                return from.pointer(StringView.self)[at].withBytes {
                    append(address: $0, isNetwork: column.type == .system(.cidr), to: &out)
                }
            }
            if column.type.isBits { return append(bits: from.pointer(StringView.self)[at].string, to: &out) }
            from.pointer(StringView.self)[at].withBytes { out.append(contentsOf: $0) }
        case .list, .row: break
        }
    }
}
