// Regular expressions by PCRE2: compiled once per pattern, matched with bounded work.
import CPcre
import Columns
import Diagnostics

/// A compiled pattern.
final class CompiledRegex {
    private let code: OpaquePointer
    private let matchData: OpaquePointer
    private let matchContext: OpaquePointer
    /// Capturing groups.
    let groups: Int

    /// Steps of backtracking before a match is given up: some seconds of work at most.
    private static let matchLimit: UInt32 = 5_000_000
    private static let depthLimit: UInt32 = 20_000
    /// Compiled patterns beyond this size are refused by PCRE2 itself; this bounds the text.
    private static let patternBytesMax = 32 << 10

    /// Options that PostgreSQL's flags stand for.
    struct Options: Hashable {
        var ignoresCase = false
        /// `n`, `m`: `.` does not match newline, `^` and `$` match at lines.
        var isMultiline = false
        var isExtended = false
        var isLiteral = false
        var isGlobal = false
    }

    init(_ pattern: UnsafeRawBufferPointer, _ options: Options) throws(SQLError) {
        guard pattern.count <= CompiledRegex.patternBytesMax else {
            throw SQLError(.invalidRegularExpression, "invalid regular expression: regular expression is too complex")
        }
        var bytes = options.isLiteral ? [UInt8](pattern) : CompiledRegex.translated(pattern)
        bytes.append(0)
        var flags: UInt32 = UInt32(PCRE2_UTF)
        flags |= UInt32(PCRE2_DOLLAR_ENDONLY)
        if options.ignoresCase {
            flags |= UInt32(PCRE2_CASELESS)
            CompiledRegex.mergeCases(&bytes)
        }
        if options.isMultiline { flags |= UInt32(PCRE2_MULTILINE) } else { flags |= UInt32(PCRE2_DOTALL) }
        if options.isExtended { flags |= UInt32(PCRE2_EXTENDED) }
        if CompiledRegex.hasClasses(bytes) { flags |= UInt32(PCRE2_UCP) }
        if options.isLiteral { flags = UInt32(PCRE2_UTF) | UInt32(PCRE2_LITERAL) }
        var code: Int32 = 0
        var offset = 0
        let compiled = bytes.withUnsafeBufferPointer { source in
            pcre2_compile_8(source.baseAddress, source.count - 1, flags, &code, &offset, nil)
        }
        guard let compiled, let data = pcre2_match_data_create_from_pattern_8(compiled, nil),
            let context = pcre2_match_context_create_8(nil)
        else {
            throw SQLError(
                .invalidRegularExpression, "invalid regular expression: \(CompiledRegex.message(code))")
        }
        pcre2_set_match_limit_8(context, CompiledRegex.matchLimit)
        pcre2_set_depth_limit_8(context, CompiledRegex.depthLimit)
        // Without JIT memory the interpreter does the work.
        pcre2_jit_compile_8(compiled, UInt32(PCRE2_JIT_COMPLETE))
        self.code = compiled
        matchData = data
        matchContext = context
        var count: UInt32 = 0
        pcre2_pattern_info_8(compiled, UInt32(PCRE2_INFO_CAPTURECOUNT), &count)
        groups = Int(count)
    }

    deinit {
        pcre2_code_free_8(code)
        pcre2_match_data_free_8(matchData)
        pcre2_match_context_free_8(matchContext)
    }

    /// Searches from an offset; false when there is no match.
    func match(_ text: UnsafeRawBufferPointer, from start: Int = 0, notEmptyAtStart: Bool = false) throws(SQLError)
        -> Bool
    {
        // PCRE2 wants an address even for no bytes.
        let empty: StaticString = ""
        let base = text.baseAddress ?? UnsafeRawPointer(empty.utf8Start)
        var options: UInt32 = 0
        if notEmptyAtStart { options |= UInt32(PCRE2_NOTEMPTY_ATSTART) }
        let result = pcre2_match_8(
            code, base.assumingMemoryBound(to: UInt8.self), text.count, start, options, matchData, matchContext)
        if result >= 0 { return true }
        switch result {
        case PCRE2_ERROR_NOMATCH: return false
        case PCRE2_ERROR_MATCHLIMIT, PCRE2_ERROR_DEPTHLIMIT, PCRE2_ERROR_HEAPLIMIT, PCRE2_ERROR_JIT_STACKLIMIT:
            throw SQLError(.invalidRegularExpression, "regular expression failed: regular expression is too complex")
        default:
            throw SQLError(
                .invalidRegularExpression, "regular expression failed: \(CompiledRegex.message(result))")
        }
    }

    /// Where a group of the last match lies; nil when it took no part.
    func range(_ group: Int) -> Range<Int>? {
        guard group <= groups, let vector = pcre2_get_ovector_pointer_8(matchData) else { return nil }
        let (low, high) = (vector[group * 2], vector[group * 2 + 1])
        guard low != Int.max, low >= 0, high >= low, low != -1 else { return nil }
        return low..<high
    }

    /// Without regard to case, [[:upper:]] and [[:lower:]] are any letter.
    private static func mergeCases(_ pattern: inout [UInt8]) {
        let (upper, lower, letter) = (Array("[:upper:]".utf8), Array("[:lower:]".utf8), Array("[:alpha:]".utf8))
        for at in pattern.indices where pattern[at] == 91 {
            let rest = pattern[at...]
            if rest.starts(with: upper) || rest.starts(with: lower) {
                pattern.replaceSubrange(at..<at + letter.count, with: letter)
            }
        }
    }

    /// Whether letters and blanks beyond ASCII matter: \w \W \s \S \b \B and [[:alpha:]].
    private static func hasClasses(_ pattern: [UInt8]) -> Bool {
        zip(pattern, pattern.dropFirst()).contains { first, second in
            first == UInt8(ascii: "\\") ? "wWsSbB".utf8.contains(second) : first == 91 && second == 58
        }
    }

    /// PostgreSQL's words where it has some, by PCRE2's error numbers.
    private static let messages: [Int32: String] = [
        104: "invalid repetition count(s)", 105: "invalid repetition count(s)", 106: "brackets [] not balanced",
        108: "invalid character range", 109: "quantifier operand invalid", 114: "parentheses () not balanced",
        115: "invalid backreference number", 122: "parentheses () not balanced", 130: "invalid character class",
        101: "invalid escape \\ sequence",
    ]

    private static func message(_ code: Int32) -> String {
        if let known = messages[code] { return known }
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = pcre2_get_error_message_8(code, &buffer, buffer.count)
        return length > 0 ? String(decoding: buffer[0..<Int(length)], as: UTF8.self) : "error \(code)"
    }

    /// Rewrites what PostgreSQL spells differently: \m \M \y \Y \A \Z and [[:<:]] [[:>:]].
    private static func translated(_ pattern: UnsafeRawBufferPointer) -> [UInt8] {
        var out: [UInt8] = []
        var at = 0
        var inClass = false
        func starts(_ word: StaticString) -> Bool {
            guard at + word.utf8CodeUnitCount <= pattern.count else { return false }
            for index in 0..<word.utf8CodeUnitCount where pattern[at + index] != word.utf8Start[index] { return false }
            return true
        }
        while at < pattern.count {
            let byte = pattern[at]
            if byte == 92, at + 1 < pattern.count {
                let next = pattern[at + 1]
                switch (next, inClass) {
                case (109, false): out.append(contentsOf: "\\b(?=\\w)".utf8)
                case (77, false): out.append(contentsOf: "\\b(?<=\\w)".utf8)
                case (121, false): out.append(contentsOf: "\\b".utf8)
                case (89, false): out.append(contentsOf: "\\B".utf8)
                case (90, false): out.append(contentsOf: "\\z".utf8)
                // Digits are those of ASCII, whatever else counts as a letter.
                case (100, false): out.append(contentsOf: "[0-9]".utf8)
                case (68, false): out.append(contentsOf: "[^0-9]".utf8)
                default: out.append(contentsOf: [byte, next])
                }
                at += 2
                continue
            }
            if !inClass, starts("[[:<:]]") {
                out.append(contentsOf: "\\b(?=\\w)".utf8)
                at += 7
                continue
            }
            if !inClass, starts("[[:>:]]") {
                out.append(contentsOf: "\\b(?<=\\w)".utf8)
                at += 7
                continue
            }
            if !inClass, byte == 91 {
                inClass = true
                out.append(byte)
                at += 1
                // A bracket right after the opening one, or after ^, is a member.
                if at < pattern.count, pattern[at] == 94 {
                    out.append(94)
                    at += 1
                }
                if at < pattern.count, pattern[at] == 93 {
                    out.append(contentsOf: [92, 93])
                    at += 1
                }
                continue
            }
            if inClass, byte == 91, at + 1 < pattern.count, pattern[at + 1] == 58,
                let close = (at + 2..<pattern.count).first(where: { pattern[$0] == 93 })
            {
                out.append(contentsOf: pattern[at...close])
                at = close + 1
                continue
            }
            if inClass, byte == 93 { inClass = false }
            out.append(byte)
            at += 1
        }
        return out
    }
}

/// Keeps the pattern of the last row: almost always the pattern of all rows.
struct RegexCache {
    private var pattern: [UInt8] = []
    private var options = CompiledRegex.Options()
    private var regex: CompiledRegex?

    mutating func get(_ view: StringView, _ wanted: CompiledRegex.Options) throws(SQLError) -> CompiledRegex {
        if let regex, wanted == options, view.withBytes({ $0.elementsEqual(pattern) }) { return regex }
        let made = try view.read { (raw) throws(SQLError) in try CompiledRegex(raw, wanted) }
        pattern = TextKernels.bytes(view)
        options = wanted
        regex = made
        return made
    }
}

enum RegexOperators {
    static let all: [Overload] = ["~", "!~", "~*", "!~*"].flatMap { symbol in
        [
            Overload(symbol, [.text, .text], .boolean, matches(symbol)),
            Overload(symbol, [.char(1), .text], .boolean, matches(symbol)),
        ]
    }

    private static func matches(_ symbol: String) -> Kernel {
        let isNegated = symbol.hasPrefix("!")
        let options = CompiledRegex.Options(ignoresCase: symbol.hasSuffix("*"))
        return { (_, a, rows) throws(SQLError) in
            var cache = RegexCache()
            let isFixed = a[1].layout == .constant
            var fixed: CompiledRegex?
            return try Loops.binaryThrowing(a[0], a[1], rows, .boolean) {
                (text: StringView, pattern: StringView) throws(SQLError) -> UInt8 in
                let regex: CompiledRegex
                if let fixed {
                    regex = fixed
                } else {
                    regex = try cache.get(pattern, options)
                    if isFixed { fixed = regex }
                }
                let hit = try text.read { (raw) throws(SQLError) in try regex.match(raw) }
                return hit != isNegated ? 1 : 0
            }
        }
    }
}
