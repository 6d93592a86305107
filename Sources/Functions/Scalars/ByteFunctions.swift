// Functions of bytea: single bytes and bits, trimming, overlay, position, LIKE, character sets.
import Columns
import Diagnostics

enum ByteFunctions {
    static let all: [Overload] =
        places + trims + [
            Overload("overlay", [.bytea, .bytea, .int4], .bytea, overlay(hasCount: false)),
            Overload("overlay", [.bytea, .bytea, .int4, .int4], .bytea, overlay(hasCount: true)),
            Overload("position", [.bytea, .bytea], .int4, canFail: false, position),
            Overload("convert_to", [.text, .text], .bytea) { (_, a, rows) throws(SQLError) in
                try converted(a, rows, .bytea) { (_) throws(SQLError) in }
            },
            Overload("convert_from", [.bytea, .text], .text) { (_, a, rows) throws(SQLError) in
                try converted(a, rows, .text, checkUTF8)
            },
        ]

    /// LIKE over bytes.
    static let operators: [Overload] = [
        Overload("~~", [.bytea, .bytea], .boolean, LikeOperators.like("~~")),
        Overload("!~~", [.bytea, .bytea], .boolean, LikeOperators.like("!~~")),
    ]

    // MARK: Bytes and bits

    private static let places: [Overload] = [
        Overload(
            "get_byte", [.bytea, .int4], .int4,
            Rowwise.binary(.int4) {
                (bytes: StringView, index: Int32) throws(SQLError) -> Int32 in
                try checkPlace(Int(index), bytes.count)
                return bytes.withBytes { Int32($0[Int(index)]) }
            }),
        Overload(
            "get_bit", [.bytea, .int8], .int4,
            Rowwise.binary(.int4) {
                (bytes: StringView, index: Int64) throws(SQLError) -> Int32 in
                try checkPlace(Int(index), bytes.count * 8)
                return bytes.withBytes { Int32($0[Int(index) / 8] >> UInt8(index % 8) & 1) }
            }),
        Overload("bit_count", [.bytea], .int8, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .int8) { (bytes: StringView) -> Int64 in
                bytes.withBytes { raw in raw.reduce(0) { $0 + Int64($1.nonzeroBitCount) } }
            }
        },
        Overload("set_byte", [.bytea, .int4, .int4], .bytea) { (_, a, rows) throws(SQLError) in
            let (places, values) = (Lane(a[1], Int32.self), Lane(a[2], Int32.self))
            return try edited(a, rows) { (row, bytes) throws(SQLError) in
                try checkPlace(Int(places[row]), bytes.count)
                bytes[Int(places[row])] = UInt8(truncatingIfNeeded: values[row])
            }
        },
        Overload("set_bit", [.bytea, .int8, .int4], .bytea) { (_, a, rows) throws(SQLError) in
            let (places, values) = (Lane(a[1], Int64.self), Lane(a[2], Int32.self))
            return try edited(a, rows) { (row, bytes) throws(SQLError) in
                let place = Int(places[row])
                try checkPlace(place, bytes.count * 8)
                guard values[row] == 0 || values[row] == 1 else {
                    throw SQLError(.invalidParameterValue, "new bit must be 0 or 1")
                }
                let mask: UInt8 = 1 << UInt8(place % 8)
                if values[row] == 1 { bytes[place / 8] |= mask } else { bytes[place / 8] &= ~mask }
            }
        },
    ]

    private static func checkPlace(_ place: Int, _ count: Int) throws(SQLError) {
        guard place >= 0, place < count else {
            throw SQLError(SQLState("2202E"), "index \(place) out of valid range, 0..\(count - 1)")
        }
    }

    private static func edited(
        _ a: [Column], _ rows: Int, _ body: (Int, inout [UInt8]) throws(SQLError) -> Void
    ) throws(SQLError) -> Column {
        let values = Lane(a[0], StringView.self)
        return try TextKernels.rows(a, rows, .bytea) { (row, out) throws(SQLError) in
            out = TextKernels.bytes(values[row])
            try body(row, &out)
            return true
        }
    }

    // MARK: Trimming

    private static let trims: [Overload] = [
        ("btrim", true, true), ("ltrim", true, false), ("rtrim", false, true),
    ].map { name, atStart, atEnd in
        Overload(name, [.bytea, .bytea], .bytea, canFail: false) { (_, a, rows) throws(SQLError) in
            let (values, sets) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows, .bytea) { (row, out) throws(SQLError) in
                let (bytes, set) = (TextKernels.bytes(values[row]), TextKernels.bytes(sets[row]))
                var kept = bytes[...]
                if atStart { kept = kept.drop { set.contains($0) } }
                while atEnd, let last = kept.last, set.contains(last) { kept.removeLast() }
                out.append(contentsOf: kept)
                return true
            }
        }
    }

    // MARK: Parts

    private static func overlay(hasCount: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (news, starts) = (Lane(a[1], StringView.self), Lane(a[2], Int32.self))
            let counts = hasCount ? Lane(a[3], Int32.self) : starts
            return try edited(a, rows) { (row, bytes) throws(SQLError) in
                let start = Int(starts[row])
                guard start > 0 else { throw SQLError(.substringError, "negative substring length not allowed") }
                let new = TextKernels.bytes(news[row])
                let end = start - 1 + (hasCount ? Int(counts[row]) : new.count)
                let head = bytes[0..<min(start - 1, bytes.count)]
                let tail = bytes[min(max(end, 0), bytes.count)...]
                bytes = head + new + tail
            }
        }
    }

    private static let position: Kernel = { (_, a, rows) throws(SQLError) in
        Loops.binary(a[0], a[1], rows, .int4) { (needle: StringView, bytes: StringView) -> Int32 in
            needle.withBytes { needle in
                bytes.withBytes { bytes in
                    needle.isEmpty ? 1 : Int32(truncatingIfNeeded: (TextOps.find(needle, in: bytes, from: 0) ?? -1) + 1)
                }
            }
        }
    }

    // MARK: Character sets

    private static func converted(
        _ a: [Column], _ rows: Int, _ type: SQLType, _ check: ([UInt8]) throws(SQLError) -> Void
    ) throws(SQLError) -> Column {
        let (values, names) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
        return try TextKernels.rows(a, rows, type) { (row, out) throws(SQLError) in
            let name = names[row].string
            guard ["UTF8", "UTF-8"].contains(name.uppercased()) else {
                throw SQLError(.featureNotSupported, "conversion between UTF8 and \(name) is not supported")
            }
            out = TextKernels.bytes(values[row])
            try check(out)
            return true
        }
    }

    private static func checkUTF8(_ bytes: [UInt8]) throws(SQLError) {
        if bytes.contains(0) {
            throw SQLError(SQLState("22021"), "invalid byte sequence for encoding \"UTF8\": 0x00")
        }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw SQLError(SQLState("22021"), "invalid byte sequence for encoding \"UTF8\"")
        }
    }
}
