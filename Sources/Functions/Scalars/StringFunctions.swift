// Lengths, case, parts, padding and trimming of strings. Characters are code points.
import Columns
import Diagnostics

enum StringFunctions {
    static let all: [Overload] = lengths + cases + parts + trims + builders + codes

    // MARK: Lengths

    private static let lengths: [Overload] =
        ["length", "char_length", "character_length", "len", "strlen"].flatMap { name -> [Overload] in
            [
                Overload(name, [.text], .int4, canFail: false, count(characters)),
                // char(n) counts without its padding.
                Overload(name, [.char(1)], .int4, canFail: false) { (_, a, rows) throws(SQLError) in
                    Loops.unary(a[0], rows, .int4) { (x: StringView) -> Int32 in
                        let length = TextOps.lengthWithoutBlanks(x)
                        return x.withBytes {
                            Int32(TextOps.characters(UnsafeRawBufferPointer(rebasing: $0[0..<length])))
                        }
                    }
                },
            ]
        } + [
            Overload("length", [.bytea], .int4, canFail: false, count { $0.count }),
            Overload("octet_length", [.text], .int4, canFail: false, count { $0.count }),
            Overload("octet_length", [.char(1)], .int4, canFail: false, count { $0.count }),
            Overload("octet_length", [.bytea], .int4, canFail: false, count { $0.count }),
            Overload("bit_length", [.text], .int4, canFail: false, count { $0.count * 8 }),
            Overload("bit_length", [.bytea], .int4, canFail: false, count { $0.count * 8 }),
        ]

    @Sendable
    private static func characters(_ view: StringView) -> Int { view.withBytes { TextOps.characters($0) } }

    private static func count(_ body: @escaping @Sendable (StringView) -> Int) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .int4) { (x: StringView) -> Int32 in Int32(truncatingIfNeeded: body(x)) }
        }
    }

    // MARK: Case

    private static let cases: [Overload] = [
        ("lower", TextCase.lower), ("upper", .upper), ("initcap", .title), ("lcase", .lower), ("ucase", .upper),
    ].map { name, mode in
        Overload(name, [.text], .text, canFail: false, cased(mode))
    }

    private static func cased(_ mode: TextCase) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let lane = Lane(a[0], StringView.self)
            let validity = Flatten.validity(a[0])
            let first: UInt8 = mode == .lower ? 65 : 97
            var scratch: [UInt8] = []
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = lane[row]
                let target = try sink.room(view.count).assumingMemoryBound(to: UInt8.self)
                let isDone = view.withBytes { raw -> Bool in
                    guard mode != .title, TextOps.isASCII(raw) else { return false }
                    for index in 0..<raw.count {
                        let byte = raw[index]
                        // 32 apart in ASCII; a letter of the other case flips the bit.
                        target[index] = byte ^ (unsafeBitCast(byte &- first < 26, to: UInt8.self) &<< 5)
                    }
                    return true
                }
                if isDone {
                    sink.commit(row, view.count)
                    return
                }
                scratch.removeAll(keepingCapacity: true)
                view.withBytes { TextCase.append($0, mode, to: &scratch) }
                try sink.set(row, scratch)
            }
            return sink.finish(.text, validity: validity)
        }
    }

    // MARK: Parts

    private static let negativeLength = SQLError(.substringError, "negative substring length not allowed")

    private static let parts: [Overload] =
        ["substr", "substring"].flatMap { name -> [Overload] in
            [
                Overload(name, [.text, .int4], .text, canFail: false, substring(hasCount: false)),
                Overload(name, [.text, .int4, .int4], .text, substring(hasCount: true)),
            ]
        } + [
            Overload("substring", [.bytea, .int4], .bytea, canFail: false, byteSubstring(hasCount: false)),
            Overload("substring", [.bytea, .int4, .int4], .bytea, byteSubstring(hasCount: true)),
            Overload("substr", [.bytea, .int4], .bytea, canFail: false, byteSubstring(hasCount: false)),
            Overload("substr", [.bytea, .int4, .int4], .bytea, byteSubstring(hasCount: true)),
            Overload(
                "left", [.text, .int4], .text, canFail: false,
                slices { (raw, n) in
                    // A negative count leaves out that many at the other end.
                    let wanted = n >= 0 ? n : max(0, TextOps.characters(raw) + n)
                    return (0, TextOps.offset(raw, ofCharacter: wanted))
                }),
            Overload(
                "right", [.text, .int4], .text, canFail: false,
                slices { (raw, n) in
                    let total = TextOps.characters(raw)
                    let skipped = n >= 0 ? max(0, total - n) : min(total, -n)
                    let start = TextOps.offset(raw, ofCharacter: skipped)
                    return (start, raw.count - start)
                }),
        ]

    /// Parts of the first argument given by the second; long ones share the argument's memory.
    private static func slices(
        _ body: @escaping @Sendable (UnsafeRawBufferPointer, Int) -> (start: Int, count: Int)
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let (texts, counts) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
            let validity = Loops.validity(a, rows)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = texts[row]
                let part = view.withBytes { body($0, Int(counts[row])) }
                sink.set(row, view: view.slice(part.start, part.count))
            }
            return sink.finish(.text, validity: validity, sharing: a[0].heaps)
        }
    }

    private static func substring(hasCount: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let (texts, starts) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
            let counts = hasCount ? Lane(a[2], Int32.self) : starts
            let validity = Loops.validity(a, rows)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = texts[row]
                let start = Int(starts[row])
                let count = hasCount ? Int(counts[row]) : Int(Int32.max)
                if count < 0 { throw negativeLength }
                let (first, end) = (max(start, 1), start + count)
                guard end > first else { return }
                let part = view.withBytes { raw -> (Int, Int) in
                    if TextOps.isASCII(raw) {
                        let low = min(first - 1, raw.count)
                        return (low, min(end - 1, raw.count) - low)
                    }
                    let low = TextOps.offset(raw, ofCharacter: first - 1)
                    let rest = UnsafeRawBufferPointer(rebasing: raw[low...])
                    return (low, TextOps.offset(rest, ofCharacter: end - first))
                }
                sink.set(row, view: view.slice(part.0, part.1))
            }
            return sink.finish(.text, validity: validity, sharing: a[0].heaps)
        }
    }

    private static func byteSubstring(hasCount: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let (texts, starts) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
            let counts = hasCount ? Lane(a[2], Int32.self) : starts
            let validity = Loops.validity(a, rows)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = texts[row]
                let count = hasCount ? Int(counts[row]) : Int(Int32.max)
                if count < 0 { throw negativeLength }
                let low = min(max(Int(starts[row]), 1) - 1, view.count)
                let high = min(max(Int(starts[row]) + count - 1, low), view.count)
                sink.set(row, view: view.slice(low, high - low))
            }
            return sink.finish(.bytea, validity: validity, sharing: a[0].heaps)
        }
    }

    // MARK: Trimming

    private static let trims: [Overload] =
        trim("btrim", atStart: true, atEnd: true) + trim("trim", atStart: true, atEnd: true)
        + trim("ltrim", atStart: true, atEnd: false) + trim("rtrim", atStart: false, atEnd: true)

    private static func trim(_ name: String, atStart: Bool, atEnd: Bool) -> [Overload] {
        [
            Overload(name, [.text], .text, canFail: false, trimming(atStart, atEnd, hasSet: false)),
            Overload(name, [.text, .text], .text, canFail: false, trimming(atStart, atEnd, hasSet: true)),
        ]
    }

    private static func trimming(_ atStart: Bool, _ atEnd: Bool, hasSet: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            let texts = Lane(a[0], StringView.self)
            let sets = hasSet ? Lane(a[1], StringView.self) : texts
            let validity = Loops.validity(a, rows)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = texts[row]
                let part = view.withBytes { raw -> (Int, Int) in
                    guard hasSet else {
                        return trimmed(raw, atStart, atEnd) { raw, low, high in
                            high - low == 1 && raw[low] == 32
                        }
                    }
                    return sets[row].withBytes { set in
                        trimmed(raw, atStart, atEnd) { raw, low, high in contains(set, raw, low, high) }
                    }
                }
                sink.set(row, view: view.slice(part.0, part.1 - part.0))
            }
            return sink.finish(.text, validity: validity, sharing: a[0].heaps)
        }
    }

    @inline(__always)
    private static func trimmed(
        _ raw: UnsafeRawBufferPointer, _ atStart: Bool, _ atEnd: Bool,
        _ isCut: (UnsafeRawBufferPointer, Int, Int) -> Bool
    ) -> (Int, Int) {
        var (low, high) = (0, raw.count)
        while atStart, low < high {
            let next = TextOps.next(raw, low)
            guard isCut(raw, low, next) else { break }
            low = next
        }
        while atEnd, high > low {
            let start = TextOps.previous(raw, high)
            guard isCut(raw, start, high) else { break }
            high = start
        }
        return (low, high)
    }

    /// Whether a set of characters has the one at low..<high.
    private static func contains(
        _ set: UnsafeRawBufferPointer, _ raw: UnsafeRawBufferPointer, _ low: Int, _ high: Int
    ) -> Bool {
        var at = 0
        while at < set.count {
            let next = TextOps.next(set, at)
            if next - at == high - low, (0..<(high - low)).allSatisfy({ set[at + $0] == raw[low + $0] }) { return true }
            at = next
        }
        return false
    }

    // MARK: Builders

    private static let builders: [Overload] =
        pad("lpad", isLeft: true) + pad("rpad", isLeft: false) + [
            Overload("repeat", [.text, .int4], .text) { (_, a, rows) throws(SQLError) in
                let (texts, counts) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
                return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                    let (view, count) = (texts[row], max(0, Int(counts[row])))
                    try checkLength(view.count * count)
                    let bytes = TextKernels.bytes(view)
                    out.reserveCapacity(bytes.count * count)
                    if bytes.count == 1 {
                        out.append(contentsOf: repeatElement(bytes[0], count: count))
                    } else {
                        for _ in 0..<count where !bytes.isEmpty { out.append(contentsOf: bytes) }
                    }
                    return true
                }
            },
            Overload(
                "reverse", [.text], .text, canFail: false,
                TextKernels.unary { (raw, out) throws(SQLError) in
                    var end = raw.count
                    while end > 0 {
                        let start = TextOps.previous(raw, end)
                        out.append(contentsOf: UnsafeRawBufferPointer(rebasing: raw[start..<end]))
                        end = start
                    }
                }),
        ]

    static func checkLength(_ bytes: Int) throws(SQLError) {
        guard bytes <= TextSink.stringBytesMax else {
            throw SQLError(.programLimitExceeded, "requested length too large")
        }
    }

    private static func pad(_ name: String, isLeft: Bool) -> [Overload] {
        [
            Overload(name, [.text, .int4], .text, padding(isLeft, hasFill: false)),
            Overload(name, [.text, .int4, .text], .text, padding(isLeft, hasFill: true)),
        ]
    }

    private static func padding(_ isLeft: Bool, hasFill: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (texts, widths) = (Lane(a[0], StringView.self), Lane(a[1], Int32.self))
            let fills = hasFill ? Lane(a[2], StringView.self) : texts
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let text = TextKernels.bytes(texts[row])
                let fill = hasFill ? TextKernels.bytes(fills[row]) : [32]
                let width = max(0, Int(widths[row]))
                let (length, cut) = text.withUnsafeBytes { raw in
                    (TextOps.characters(raw), TextOps.offset(raw, ofCharacter: width))
                }
                guard length < width, !fill.isEmpty else {
                    out.append(contentsOf: text[0..<cut])
                    return true
                }
                try checkLength((width - length) * 4 + text.count)
                if !isLeft { out.append(contentsOf: text) }
                let missing = width - length
                fill.withUnsafeBytes { raw in
                    let characters = TextOps.characters(raw)
                    for _ in 0..<(missing / characters) { out.append(contentsOf: raw) }
                    let rest = TextOps.offset(raw, ofCharacter: missing % characters)
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: raw[0..<rest]))
                }
                if isLeft { out.append(contentsOf: text) }
                return true
            }
        }
    }

    // MARK: Codes

    private static let codes: [Overload] = [
        Overload("ascii", [.text], .int4, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .int4) { (x: StringView) -> Int32 in
                x.withBytes { $0.count == 0 ? 0 : Int32(truncatingIfNeeded: TextOps.scalar($0, 0)) }
            }
        },
        Overload(
            "chr", [.int4], .text,
            TextKernels.from { (code: Int32, out) throws(SQLError) in
                if code == 0 { throw SQLError(.programLimitExceeded, "null character not permitted") }
                if code < 0 { throw SQLError(.invalidParameterValue, "character number must be positive") }
                guard Unicode.Scalar(UInt32(code)) != nil else {
                    let what = code > 0x10ffff ? "too large" : "not valid"
                    throw SQLError(.programLimitExceeded, "requested character \(what) for encoding: \(code)")
                }
                TextOps.append(UInt32(code), to: &out)
            }),
        Overload(
            "to_hex", [.int4], .text, canFail: false,
            TextKernels.from { (n: Int32, out) throws(SQLError) in
                out.append(contentsOf: String(UInt32(bitPattern: n), radix: 16).utf8)
            }),
        Overload(
            "to_hex", [.int8], .text, canFail: false,
            TextKernels.from { (n: Int64, out) throws(SQLError) in
                out.append(contentsOf: String(UInt64(bitPattern: n), radix: 16).utf8)
            }),
    ]
}
