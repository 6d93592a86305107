// LIKE and ILIKE: patterns are taken apart once; the common shapes become comparisons and searches. Hot.
import Columns
import Diagnostics
import Glibc

/// A compiled LIKE pattern.
final class LikePattern: @unchecked Sendable {
    // Sendable: nothing changes after init.

    /// What a character of the pattern asks for.
    private enum Item { case byte(UInt8), one, many, lone }

    /// Whether the pattern ends with an escape character: an error for a text that matches as far as that.
    let isBroken: Bool

    /// Patterns without `_` are literals between `%`, one behind the other in `bytes`.
    private let bytes: UnsafeMutablePointer<UInt8>
    /// Offset of each piece, and the end of the last one.
    private let offsets: UnsafeMutablePointer<Int>
    private let pieces: Int
    /// Set when the pattern has `_`.
    private let items: [Item]?

    /// Longer patterns are refused: matching with `_` takes time in proportion to text times pattern.
    private static let patternBytesMax = 64 << 10

    /// Compiles; `escape` is nil for no escape character.
    init(_ pattern: UnsafeRawBufferPointer, escape: UInt8? = 92) throws(SQLError) {
        guard pattern.count <= LikePattern.patternBytesMax else {
            throw SQLError(.programLimitExceeded, "pattern is too long")
        }
        var items: [Item] = []
        var at = 0
        while at < pattern.count {
            let byte = pattern[at]
            if let escape, byte == escape {
                guard at + 1 < pattern.count else {
                    items.append(.lone)
                    break
                }
                items.append(.byte(pattern[at + 1]))
                at += 2
                continue
            }
            switch byte {
            case 37: items.append(.many)
            case 95: items.append(.one)
            default: items.append(.byte(byte))
            }
            at += 1
        }
        var pieces: [[UInt8]] = [[]]
        var hasOne = false
        var isBroken = false
        for item in items {
            switch item {
            case .byte(let byte): pieces[pieces.count - 1].append(byte)
            case .many: pieces.append([])
            case .one: hasOne = true
            case .lone: isBroken = true
            }
        }
        self.isBroken = isBroken
        self.items = hasOne || isBroken ? items : nil
        self.pieces = pieces.count
        bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: pattern.count + 1)
        offsets = UnsafeMutablePointer<Int>.allocate(capacity: pieces.count + 1)
        var end = 0
        for (index, piece) in pieces.enumerated() {
            offsets[index] = end
            for byte in piece {
                bytes[end] = byte
                end += 1
            }
        }
        offsets[pieces.count] = end
    }

    deinit {
        bytes.deallocate()
        offsets.deallocate()
    }

    /// Whether a text matches; only for patterns that are not broken.
    @inline(__always)
    func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        if let items { return slow(text, items) }
        return fast(text)
    }

    @inline(__always)
    private func fast(_ text: UnsafeRawBufferPointer) -> Bool {
        let empty: StaticString = ""
        let base = text.baseAddress ?? UnsafeRawPointer(empty.utf8Start)
        let (bytes, offsets, pieces) = (bytes, offsets, pieces)
        let first = offsets[1]
        guard text.count >= first, memcmp(base, bytes, first) == 0 else { return false }
        // pieces - 1 is the number of `%`.
        if pieces == 1 { return text.count == first }
        let lastStart = offsets[pieces &- 1]
        let last = offsets[pieces] &- lastStart
        let end = text.count &- last
        guard end >= first, memcmp(base + end, bytes + lastStart, last) == 0 else { return false }
        var at = first
        var index = 1
        while index < pieces &- 1 {
            let start = offsets[index]
            let length = offsets[index &+ 1] &- start
            index &+= 1
            if length == 0 { continue }
            let hit = TextSearch.find(base + at, end &- at, bytes + start, length)
            if hit < 0 { return false }
            at &+= hit &+ length
        }
        return true
    }

    /// No text matches a broken pattern; throws when the lone escape character is reached before the text's end.
    func refuses(_ text: UnsafeRawBufferPointer) throws(SQLError) {
        var isReached = false
        if let items { _ = slow(text, items, &isReached) }
        if isReached { throw SQLError(.invalidEscapeSequence, "LIKE pattern must not end with escape character") }
    }

    private func slow(_ text: UnsafeRawBufferPointer, _ items: [Item]) -> Bool {
        var isReached = false
        return slow(text, items, &isReached)
    }

    /// Backtracks to the last `%` only, which is enough.
    private func slow(_ text: UnsafeRawBufferPointer, _ items: [Item], _ isReached: inout Bool) -> Bool {
        var (t, p) = (0, 0)
        var (starText, starItem) = (-1, -1)
        while t < text.count {
            if p < items.count {
                switch items[p] {
                case .many:
                    (starText, starItem) = (t, p)
                    p += 1
                    continue
                case .one:
                    t = TextOps.next(text, t)
                    p += 1
                    continue
                case .lone:
                    isReached = true
                    return false
                case .byte(let byte):
                    if text[t] == byte {
                        t += 1
                        p += 1
                        continue
                    }
                }
            }
            guard starItem >= 0 else { return false }
            starText = TextOps.next(text, starText)
            (t, p) = (starText, starItem + 1)
        }
        while p < items.count, case .many = items[p] { p += 1 }
        return p == items.count
    }
}

enum LikeOperators {
    static let all: [Overload] = ["~~", "!~~", "~~*", "!~~*"].flatMap { symbol in
        [
            Overload(symbol, [.text, .text], .boolean, like(symbol)),
            Overload(symbol, [.char(1), .text], .boolean, like(symbol)),
        ]
    }

    static let prefixOperator = Overload("^@", [.text, .text], .boolean, canFail: false, prefix)

    static let functions: [Overload] = [
        Overload("like_escape", [.text, .text], .text) { (_, a, rows) throws(SQLError) in
            let (patterns, escapes) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                out = try escaped(TextKernels.bytes(patterns[row]), TextKernels.bytes(escapes[row]))
                return true
            }
        },
        Overload("like", [.text, .text], .boolean, like("~~")),
        Overload("notlike", [.text, .text], .boolean, like("!~~")),
        Overload("starts_with", [.text, .text], .boolean, canFail: false, prefix),
    ]

    /// Turns a pattern with its own escape character into one with backslashes.
    private static func escaped(_ pattern: [UInt8], _ escape: [UInt8]) throws(SQLError) -> [UInt8] {
        var result: [UInt8] = []
        if escape.isEmpty {
            for byte in pattern {
                if byte == 92 { result.append(92) }
                result.append(byte)
            }
            return result
        }
        let characters = escape.withUnsafeBytes { TextOps.characters($0) }
        guard characters == 1 else {
            throw SQLError(
                .invalidEscapeSequence, "invalid escape string",
                hint: "Escape string must be empty or one character.")
        }
        if escape == [92] { return pattern }
        var at = 0
        while at < pattern.count {
            if pattern[at...].starts(with: escape) {
                result.append(92)
                at += escape.count
                if at < pattern.count {
                    result.append(pattern[at])
                    at += 1
                }
            } else {
                if pattern[at] == 92 { result.append(92) }
                result.append(pattern[at])
                at += 1
            }
        }
        return result
    }

    private static let prefix: Kernel = { (_, a, rows) throws(SQLError) in
        Loops.binary(a[0], a[1], rows, .boolean) { (x: StringView, y: StringView) -> UInt8 in
            x.withBytes { text in y.withBytes { unsafeBitCast(TextOps.hasPrefix(text, $0), to: UInt8.self) } }
        }
    }

    static func like(_ symbol: String) -> Kernel {
        let flip: UInt8 = symbol.hasPrefix("!") ? 1 : 0
        let ignoresCase = symbol.hasSuffix("*")
        return { (_, a, rows) throws(SQLError) in
            let validity = Loops.validity(a, rows)
            let out = Buffer(count: max(1, rows), of: UInt8.self)
            if validity != nil { out.fill(0) }
            let o = out.pointer(UInt8.self)
            let (texts, patterns) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            var compiled: LikePattern?
            var last = StringView(head: 0, tail: 0)
            let isFixed = a[1].layout == .constant
            if isFixed, !ignoresCase, rows > 0 {
                let pattern = try compile(patterns[0], false)
                try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                    if pattern.isBroken { try texts[row].read { (raw) throws(SQLError) in try pattern.refuses(raw) } }
                    let hit = texts[row].withBytes { pattern.matches($0) }
                    o[row] = unsafeBitCast(hit, to: UInt8.self) ^ flip
                }
                return Column(.boolean, count: rows, values: out, validity: validity)
            }
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let pattern: LikePattern
                if let known = compiled, isFixed || StringView.equal(last, patterns[row]) {
                    pattern = known
                } else {
                    last = patterns[row]
                    pattern = try compile(last, ignoresCase)
                    compiled = pattern
                }
                if pattern.isBroken { try texts[row].read { (raw) throws(SQLError) in try pattern.refuses(raw) } }
                let hit: Bool
                if ignoresCase {
                    hit = lowered(texts[row]).withUnsafeBytes { pattern.matches($0) }
                } else {
                    hit = texts[row].withBytes { pattern.matches($0) }
                }
                o[row] = unsafeBitCast(hit, to: UInt8.self) ^ flip
            }
            return Column(.boolean, count: rows, values: out, validity: validity)
        }
    }

    private static func compile(_ view: StringView, _ ignoresCase: Bool) throws(SQLError) -> LikePattern {
        if ignoresCase {
            let bytes = lowered(view)
            let result: Result<LikePattern, SQLError> = bytes.withUnsafeBytes { raw in
                do throws(SQLError) { return .success(try LikePattern(raw)) } catch { return .failure(error) }
            }
            return try result.get()
        }
        return try view.read { (raw) throws(SQLError) in try LikePattern(raw) }
    }

    private static func lowered(_ view: StringView) -> [UInt8] {
        var out: [UInt8] = []
        view.withBytes { TextCase.append($0, .lower, to: &out) }
        return out
    }
}
