// JSON text as PostgreSQL reads it: checked in one pass, with its errors, and for jsonb written in normal form on the way.
public import Diagnostics

/// Checks JSON text and brings it to jsonb's normal form.
public enum JSONText {
    /// Arrays and objects within each other; PostgreSQL's limit is its stack.
    public static let depthMax = 1_000

    /// Throws 22P02 unless the bytes are one JSON value.
    public static func check(_ bytes: UnsafeRawBufferPointer) throws(SQLError) {
        if JSONCheck.isValid(bytes) { return }
        var none: [UInt8] = []
        try JSONReader.read(bytes, into: &none, isNormal: false)
    }

    /// Appends the normal form: keys by length and bytes, each once; numbers without exponents; one blank after `:` and
    /// `,`. Text in this form is equal where PostgreSQL prints equal jsonb.
    public static func appendNormal(_ bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) throws(SQLError) {
        out.reserveCapacity(out.count + bytes.count + bytes.count / 4)
        try JSONReader.read(bytes, into: &out, isNormal: true)
    }
}

/// A recursive-descent reader with the token rules and messages of PostgreSQL's json lexer.
private struct JSONReader {
    private enum Token {
        case string, number, objectStart, objectEnd, arrayStart, arrayEnd, comma, colon, word, end
    }

    private let base: UnsafePointer<UInt8>
    private let end: Int
    private let isNormal: Bool
    private var token = Token.end
    /// Where the current token lies.
    private var start = 0
    private var stop = 0
    /// Whether the current string has escapes.
    private var hasEscapes = false
    private var depth = 0
    private var members: [Member] = []
    private var spare: [UInt8] = []

    private struct Member {
        var start: Int
        var keyEnd: Int
        var end: Int
        var hasEscapes: Bool
    }

    static func read(_ bytes: UnsafeRawBufferPointer, into out: inout [UInt8], isNormal: Bool) throws(SQLError) {
        let nothing: StaticString = ""
        let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? nothing.utf8Start
        var reader = JSONReader(base: base, end: bytes.count, isNormal: isNormal)
        try reader.next()
        try reader.value(&out)
        if reader.token != .end { throw reader.wrong("Expected end of input, but found") }
    }

    private init(base: UnsafePointer<UInt8>, end: Int, isNormal: Bool) {
        self.base = base
        self.end = end
        self.isNormal = isNormal
    }

    // MARK: Errors

    private func invalid(_ detail: String) -> SQLError {
        SQLError(.invalidTextRepresentation, "invalid input syntax for type json", detail: detail)
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: UnsafeBufferPointer(start: base + range.lowerBound, count: range.count), as: UTF8.self)
    }

    private func wrong(_ expected: String) -> SQLError {
        if token == .end { return invalid("The input string ended unexpectedly.") }
        return invalid("\(expected) \"\(text(start..<stop))\".")
    }

    private func badToken() -> SQLError { invalid("Token \"\(text(start..<stop))\" is invalid.") }

    // MARK: Tokens

    private static func isWord(_ byte: UInt8) -> Bool {
        (byte | 32) >= 97 && (byte | 32) <= 122 || byte >= 48 && byte <= 57 || byte == 95 || byte >= 128
    }

    private mutating func next() throws(SQLError) {
        var at = stop
        while at < end, base[at] == 32 || base[at] == 10 || base[at] == 13 || base[at] == 9 { at += 1 }
        start = at
        stop = at
        guard at < end else {
            token = .end
            return
        }
        stop = at + 1
        switch base[at] {
        case UInt8(ascii: "{"): token = .objectStart
        case UInt8(ascii: "}"): token = .objectEnd
        case UInt8(ascii: "["): token = .arrayStart
        case UInt8(ascii: "]"): token = .arrayEnd
        case UInt8(ascii: ","): token = .comma
        case UInt8(ascii: ":"): token = .colon
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "-"), 48...57: try number()
        default: try word()
        }
    }

    private mutating func word() throws(SQLError) {
        var at = start
        while at < end, JSONReader.isWord(base[at]) { at += 1 }
        stop = max(at, start + 1)
        token = .word
        let length = stop - start
        switch base[start] {
        case UInt8(ascii: "t") where length == 4 && matches("true"): return
        case UInt8(ascii: "n") where length == 4 && matches("null"): return
        case UInt8(ascii: "f") where length == 5 && matches("false"): return
        default:
            // A character of several bytes is shown whole.
            while stop < end, base[stop] & 0xC0 == 0x80 { stop += 1 }
            throw badToken()
        }
    }

    private func matches(_ word: StaticString) -> Bool {
        for index in 0..<word.utf8CodeUnitCount where base[start + index] != word.utf8Start[index] { return false }
        return true
    }

    private func digits(_ at: inout Int) -> Bool {
        let first = at
        while at < end, base[at] >= 48, base[at] <= 57 { at += 1 }
        return at > first
    }

    private mutating func number() throws(SQLError) {
        token = .number
        var at = start
        var isGood = true
        if base[at] == UInt8(ascii: "-") { at += 1 }
        if at < end, base[at] == 48 { at += 1 } else { isGood = digits(&at) }
        if isGood, at < end, base[at] == UInt8(ascii: ".") {
            at += 1
            isGood = digits(&at)
        }
        if isGood, at < end, base[at] | 32 == UInt8(ascii: "e") {
            at += 1
            if at < end, base[at] == UInt8(ascii: "+") || base[at] == UInt8(ascii: "-") { at += 1 }
            isGood = digits(&at)
        }
        // Letters and digits right behind belong to the bad token.
        while at < end, JSONReader.isWord(base[at]) {
            at += 1
            isGood = false
        }
        stop = at
        if !isGood { throw badToken() }
    }

    private mutating func string() throws(SQLError) {
        token = .string
        hasEscapes = false
        var at = start + 1
        var high: UInt32?
        while at < end {
            // Eight bytes at a time up to a quote, a backslash or a control character.
            while high == nil, at &+ 8 <= end {
                let word = UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self)
                let ones: UInt64 = 0x0101_0101_0101_0101
                let quote = word ^ (ones &* 0x22)
                let slash = word ^ (ones &* 0x5c)
                let control = (word &- ones &* 0x20) & ~word
                let found = ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash) | control
                let hit = found & 0x8080_8080_8080_8080
                guard hit == 0 else {
                    at &+= hit.trailingZeroBitCount &>> 3
                    break
                }
                at &+= 8
            }
            guard at < end else { break }
            let byte = base[at]
            if byte == UInt8(ascii: "\"") {
                if high != nil { throw lowMissing() }
                stop = at + 1
                return
            }
            if byte < 32 {
                stop = at
                throw invalid(
                    "Character with value 0x\(String(byte >> 4, radix: 16))\(String(byte & 15, radix: 16)) must be escaped."
                )
            }
            if byte != UInt8(ascii: "\\") {
                if high != nil { throw lowMissing() }
                at += 1
                continue
            }
            hasEscapes = true
            at += 1
            guard at < end else { break }
            if base[at] == UInt8(ascii: "u") {
                let unit = try hex(at + 1)
                at += 5
                if isNormal { try check(unit, &high) }
                continue
            }
            if high != nil { throw lowMissing() }
            guard JSONEscape.meaning(base[at]) != nil else {
                stop = at + 1
                while stop < end, base[stop] & 0xC0 == 0x80 { stop += 1 }
                throw invalid("Escape sequence \"\\\(text(at..<stop))\" is invalid.")
            }
            at += 1
        }
        stop = end
        throw badToken()
    }

    private func lowMissing() -> SQLError { invalid("Unicode low surrogate must follow a high surrogate.") }

    /// Code units that jsonb cannot keep: NUL, and halves of pairs.
    private func check(_ unit: UInt32, _ high: inout UInt32?) throws(SQLError) {
        if unit & 0xFC00 == 0xD800 {
            guard high == nil else { throw invalid("Unicode high surrogate must not follow a high surrogate.") }
            high = unit
        } else if unit & 0xFC00 == 0xDC00 {
            guard high != nil else { throw lowMissing() }
            high = nil
        } else {
            guard high == nil else { throw lowMissing() }
            guard unit != 0 else {
                throw SQLError(
                    .untranslatableCharacter, "unsupported Unicode escape sequence",
                    detail: "\\u0000 cannot be converted to text.")
            }
        }
    }

    private mutating func hex(_ at: Int) throws(SQLError) -> UInt32 {
        var value: UInt32 = 0
        for index in at..<at + 4 {
            guard index < end else {
                stop = end
                throw badToken()
            }
            guard let digit = JSONEscape.hexDigit(base[index]) else {
                throw invalid("\"\\u\" must be followed by four hexadecimal digits.")
            }
            value = value << 4 | digit
        }
        return value
    }

    // MARK: Values

    private mutating func value(_ out: inout [UInt8]) throws(SQLError) {
        switch token {
        case .objectStart: try object(&out)
        case .arrayStart: try array(&out)
        case .string:
            if isNormal { writeString(&out) }
            try next()
        case .number:
            if isNormal {
                try JSONNumber.appendNormal(UnsafeBufferPointer(start: base + start, count: stop - start), to: &out)
            }
            try next()
        case .word:
            if isNormal { out.append(contentsOf: UnsafeBufferPointer(start: base + start, count: stop - start)) }
            try next()
        default: throw wrong("Expected JSON value, but found")
        }
    }

    private func writeString(_ out: inout [UInt8]) {
        let whole = UnsafeBufferPointer(start: base + start, count: stop - start)
        guard hasEscapes else { return out.append(contentsOf: whole) }
        var plain: [UInt8] = []
        JSONEscape.decode(base, start + 1..<stop - 1, to: &plain)
        plain.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
    }

    private mutating func deeper() throws(SQLError) {
        depth += 1
        guard depth <= JSONText.depthMax else {
            throw SQLError(
                .statementTooComplex, "stack depth limit exceeded",
                detail: "JSON values may be nested \(JSONText.depthMax) levels deep.")
        }
    }

    private mutating func array(_ out: inout [UInt8]) throws(SQLError) {
        try deeper()
        if isNormal { out.append(UInt8(ascii: "[")) }
        try next()
        if token != .arrayEnd {
            try value(&out)
            while token == .comma {
                if isNormal { out.append(contentsOf: [44, 32]) }
                try next()
                try value(&out)
            }
        }
        guard token == .arrayEnd else { throw wrong("Expected \",\" or \"]\", but found") }
        if isNormal { out.append(UInt8(ascii: "]")) }
        depth -= 1
        try next()
    }

    private mutating func object(_ out: inout [UInt8]) throws(SQLError) {
        try deeper()
        let first = members.count
        if isNormal { out.append(UInt8(ascii: "{")) }
        try next()
        if token == .string {
            try member(&out)
            while token == .comma {
                if isNormal { out.append(contentsOf: [44, 32]) }
                try next()
                guard token == .string else { throw wrong("Expected string, but found") }
                try member(&out)
            }
        } else if token != .objectEnd {
            throw wrong("Expected string or \"}\", but found")
        }
        guard token == .objectEnd else { throw wrong("Expected \",\" or \"}\", but found") }
        if isNormal {
            order(first, &out)
            out.append(UInt8(ascii: "}"))
        }
        depth -= 1
        try next()
    }

    private mutating func member(_ out: inout [UInt8]) throws(SQLError) {
        var member = Member(start: out.count, keyEnd: 0, end: 0, hasEscapes: false)
        if isNormal { writeString(&out) }
        member.keyEnd = out.count
        member.hasEscapes = hasEscapes
        try next()
        guard token == .colon else { throw wrong("Expected \":\", but found") }
        if isNormal { out.append(contentsOf: [58, 32]) }
        try next()
        try value(&out)
        guard isNormal else { return }
        member.end = out.count
        members.append(member)
    }

    /// Puts the members written last in order; of equal keys the last one stays.
    private mutating func order(_ first: Int, _ out: inout [UInt8]) {
        defer { members.removeSubrange(first...) }
        guard members.count - first > 1 else { return }
        let mine = Array(members[first...])
        let isOrdered = out.withUnsafeBytes { raw in
            for index in 1..<mine.count where JSONReader.compare(raw, mine[index - 1], mine[index]) >= 0 {
                return false
            }
            return true
        }
        if isOrdered { return }
        spare.removeAll(keepingCapacity: true)
        spare.append(contentsOf: out[mine[0].start...])
        let offset = mine[0].start
        let sorted = spare.withUnsafeBytes { raw -> [Member] in
            let moved = mine.map {
                Member(
                    start: $0.start - offset, keyEnd: $0.keyEnd - offset, end: $0.end - offset,
                    hasEscapes: $0.hasEscapes)
            }
            // The sort is stable: of equal keys the later one follows.
            let sorted = moved.sorted { JSONReader.compare(raw, $0, $1) < 0 }
            return sorted.indices.compactMap { index in
                if index + 1 < sorted.count, JSONReader.compare(raw, sorted[index], sorted[index + 1]) == 0 {
                    return nil
                }
                return sorted[index]
            }
        }
        out.removeSubrange(offset...)
        for (index, member) in sorted.enumerated() {
            if index > 0 { out.append(contentsOf: [44, 32]) }
            out.append(contentsOf: spare[member.start..<member.end])
        }
    }

    /// Keys by length, then by bytes, of what the quotes hold.
    private static func compare(_ raw: UnsafeRawBufferPointer, _ a: Member, _ b: Member) -> Int {
        if a.hasEscapes || b.hasEscapes, let base = raw.baseAddress?.assumingMemoryBound(to: UInt8.self) {
            var (x, y): ([UInt8], [UInt8]) = ([], [])
            JSONEscape.decode(base, a.start + 1..<a.keyEnd - 1, to: &x)
            JSONEscape.decode(base, b.start + 1..<b.keyEnd - 1, to: &y)
            return x.withUnsafeBytes { p in y.withUnsafeBytes { q in compare(p, q) } }
        }
        return compare(
            UnsafeRawBufferPointer(rebasing: raw[(a.start + 1)..<(a.keyEnd - 1)]),
            UnsafeRawBufferPointer(rebasing: raw[(b.start + 1)..<(b.keyEnd - 1)]))
    }

    private static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        JSONKeyOrder.compare(a, b)
    }
}
