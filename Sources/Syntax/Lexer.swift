// Bytes to tokens by PostgreSQL's rules (docs 4.1): comments, quotes, escapes, dollar quotes, operators.
import Diagnostics

/// Splits SQL text into tokens.
struct Lexer {
    let bytes: [UInt8]
    var at = 0
    private var tokens: [Token] = []

    /// Bytes of one statement text; PostgreSQL's own limit is 1 GB.
    static let textMax = 64 << 20
    /// Bytes of the text that an error quotes.
    static let nearMax = 1_024

    static func tokens(of bytes: [UInt8]) throws(SQLError) -> [Token] {
        guard bytes.count <= textMax else {
            throw SQLError(.programLimitExceeded, "statement is longer than \(textMax >> 20) MiB")
        }
        var lexer = Lexer(bytes: bytes)
        try lexer.run()
        return lexer.tokens
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func run() throws(SQLError) {
        while true {
            try skipSpace()
            guard at < bytes.count else { break }
            let start = at
            let kind = try scan()
            var token = Token(kind: kind, position: start, end: at)
            if case .word(let word) = kind { token.keyword = Keywords.classes[word] ?? [] }
            tokens.append(token)
        }
        tokens.append(Token(kind: .end, position: bytes.count, end: bytes.count))
    }

    func peek(_ ahead: Int = 0) -> UInt8 { at + ahead < bytes.count ? bytes[at + ahead] : 0 }

    private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    // MARK: - Space and comments

    mutating func skipSpace() throws(SQLError) {
        while at < bytes.count {
            switch bytes[at] {
            case 32, 9, 10, 11, 12, 13: at += 1
            case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"):
                while at < bytes.count, bytes[at] != 10, bytes[at] != 13 { at += 1 }
            case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"): try skipBlockComment()
            default: return
            }
        }
    }

    private mutating func skipBlockComment() throws(SQLError) {
        let start = at
        var depth = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                depth += 1
                at += 2
            } else if bytes[at] == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                depth -= 1
                at += 2
                if depth == 0 { return }
            } else {
                at += 1
            }
        }
        throw SQLError(.syntaxError, "unterminated /* comment at or near \"\(near(start))\"", position: start)
    }

    /// What an error quotes: the rest of the text, shortened before the first byte of a character.
    func near(_ start: Int) -> String {
        var end = min(bytes.count, start + Lexer.nearMax)
        while end < bytes.count, end > start, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return text(start..<end)
    }

    // MARK: - Tokens

    private mutating func scan() throws(SQLError) -> Token.Kind {
        let byte = bytes[at]
        switch byte {
        case UInt8(ascii: "'"): return .string(try string(escapes: false))
        case UInt8(ascii: "\""): return .quotedWord(try quotedIdentifier())
        case UInt8(ascii: "$"): return try dollar()
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: ".") where Lexer.isDigit(peek(1)): return try number()
        case UInt8(ascii: "e"), UInt8(ascii: "E"):
            if peek(1) == UInt8(ascii: "'") {
                at += 1
                return .string(try string(escapes: true))
            }
        case UInt8(ascii: "n"), UInt8(ascii: "N"):
            if peek(1) == UInt8(ascii: "'") {
                at += 1
                return .string(try string(escapes: false))
            }
        case UInt8(ascii: "b"), UInt8(ascii: "B"), UInt8(ascii: "x"), UInt8(ascii: "X"):
            if peek(1) == UInt8(ascii: "'") {
                at += 1
                return .bits((byte | 32 == UInt8(ascii: "b") ? "b" : "x") + (try string(escapes: false)))
            }
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            if peek(1) == UInt8(ascii: "&"), peek(2) == UInt8(ascii: "'") || peek(2) == UInt8(ascii: "\"") {
                return try unicodeToken()
            }
        default: break
        }
        if Lexer.startsWord(byte) { return word() }
        return try symbol()
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

    static func startsWord(_ byte: UInt8) -> Bool {
        (byte | 32 >= 97 && byte | 32 <= 122) || byte == UInt8(ascii: "_") || byte >= 128
    }

    static func continuesWord(_ byte: UInt8) -> Bool {
        startsWord(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
    }

    private mutating func word() -> Token.Kind {
        let start = at
        while at < bytes.count, Lexer.continuesWord(bytes[at]) { at += 1 }
        let folded = String(unsafeUninitializedCapacity: at - start) { (buffer) -> Int in
            for index in start..<at {
                let byte = bytes[index]
                buffer[index - start] = byte >= 65 && byte <= 90 ? byte | 32 : byte
            }
            return at - start
        }
        return .word(folded)
    }

    mutating func quotedIdentifier() throws(SQLError) -> String {
        let start = at
        at += 1
        var content: [UInt8] = []
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "\"") {
                guard peek(1) == UInt8(ascii: "\"") else {
                    at += 1
                    guard !content.isEmpty else {
                        throw SQLError(
                            .syntaxError, "zero-length delimited identifier at or near \"\"\"\"", position: start)
                    }
                    return String(decoding: content, as: UTF8.self)
                }
                at += 1
            }
            content.append(bytes[at])
            at += 1
        }
        throw SQLError(.syntaxError, "unterminated quoted identifier at or near \"\(near(start))\"", position: start)
    }

    /// Reads a string, and further parts on following lines (docs 4.1.2.1).
    mutating func string(escapes: Bool) throws(SQLError) -> String {
        let start = at
        var content: [UInt8] = []
        repeat {
            at += 1
            try stringPart(escapes, start, &content)
        } while continuesOnNextLine()
        guard let text = String(validating: content, as: UTF8.self) else {
            throw SQLError(
                .characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"", position: start)
        }
        return text
    }

    private mutating func stringPart(_ escapes: Bool, _ start: Int, _ content: inout [UInt8]) throws(SQLError) {
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "'") {
                at += 1
                guard peek() == UInt8(ascii: "'"), at < bytes.count else { return }
                content.append(byte)
                at += 1
            } else if escapes, byte == UInt8(ascii: "\\") {
                at += 1
                try escape(start, &content)
            } else {
                content.append(byte)
                at += 1
            }
        }
        throw SQLError(.syntaxError, "unterminated quoted string at or near \"\(near(start))\"", position: start)
    }

    /// Whether only space with a line end lies before another quote; then moves to it.
    private mutating func continuesOnNextLine() -> Bool {
        var index = at
        var sawLine = false
        while index < bytes.count {
            switch bytes[index] {
            case 10, 13: sawLine = true
            case 32, 9, 11, 12: break
            case UInt8(ascii: "'") where sawLine:
                at = index
                return true
            default: return false
            }
            index += 1
        }
        return false
    }

    private mutating func escape(_ start: Int, _ content: inout [UInt8]) throws(SQLError) {
        guard at < bytes.count else { return }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "b"): content.append(8)
        case UInt8(ascii: "f"): content.append(12)
        case UInt8(ascii: "n"): content.append(10)
        case UInt8(ascii: "r"): content.append(13)
        case UInt8(ascii: "t"): content.append(9)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var value = Int(byte - 48)
            var digits = 1
            while digits < 3, at < bytes.count, bytes[at] >= 48, bytes[at] <= 55 {
                value = value * 8 + Int(bytes[at] - 48)
                at += 1
                digits += 1
            }
            try append(byte: value & 255, start, &content)
        case UInt8(ascii: "x"):
            guard let value = hexDigits(max: 2) else { return content.append(byte) }
            try append(byte: Int(value), start, &content)
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let wanted = byte == UInt8(ascii: "u") ? 4 : 8
            let from = at
            guard let value = hexDigits(max: wanted), at - from == wanted, value != 0,
                let scalar = try unicode(value, wanted: wanted, start)
            else { throw SQLError(.invalidEscapeSequence, "invalid Unicode escape", position: from - 2) }
            content += Array(String(Character(scalar)).utf8)
        default: content.append(byte)
        }
    }

    private func append(byte: Int, _ start: Int, _ content: inout [UInt8]) throws(SQLError) {
        guard byte != 0 else {
            throw SQLError(
                .characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00", position: start)
        }
        content.append(UInt8(byte))
    }

    /// Joins a surrogate pair when the value is its first half.
    private mutating func unicode(_ value: UInt32, wanted: Int, _ start: Int) throws(SQLError) -> Unicode.Scalar? {
        guard value >= 0xd800, value < 0xdc00 else { return Unicode.Scalar(value) }
        guard peek() == UInt8(ascii: "\\"), peek(1) | 32 == UInt8(ascii: "u") else { return nil }
        at += 2
        guard let low = hexDigits(max: wanted), low >= 0xdc00, low < 0xe000 else { return nil }
        return Unicode.Scalar(0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00))
    }

    private mutating func hexDigits(max: Int) -> UInt32? {
        var value: UInt32 = 0
        var count = 0
        while count < max, at < bytes.count, let digit = Lexer.hexValue(bytes[at]) {
            value = value << 4 | UInt32(digit)
            at += 1
            count += 1
        }
        return count > 0 ? value : nil
    }

    static func hexValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 48...57: Int(byte) - 48
        case 65...70: Int(byte) - 55
        case 97...102: Int(byte) - 87
        default: nil
        }
    }

    /// `$1` or `$tag$...$tag$`.
    private mutating func dollar() throws(SQLError) -> Token.Kind {
        let start = at
        at += 1
        if Lexer.isDigit(peek()) {
            while Lexer.isDigit(peek()) { at += 1 }
            guard let number = Int(text(start + 1..<at)), number <= Int(UInt16.max) else {
                throw SQLError(.undefinedParameter, "there is no parameter \(text(start..<at))", position: start)
            }
            return .parameter(number)
        }
        while Lexer.startsWord(peek()) || (at > start + 1 && Lexer.isDigit(peek())) { at += 1 }
        guard peek() == UInt8(ascii: "$"), at < bytes.count else {
            throw SQLError(.syntaxError, "syntax error at or near \"$\"", position: start)
        }
        at += 1
        let tag = bytes[start..<at]
        let from = at
        while at + tag.count <= bytes.count {
            if bytes[at] == UInt8(ascii: "$"), bytes[at..<at + tag.count].elementsEqual(tag) {
                defer { at += tag.count }
                return .string(text(from..<at))
            }
            at += 1
        }
        throw SQLError(
            .syntaxError, "unterminated dollar-quoted string at or near \"\(near(start))\"", position: start)
    }

    private mutating func number() throws(SQLError) -> Token.Kind {
        let start = at
        let radix = bytes[at] == 48 ? Lexer.radix(peek(1) | 32) : 0
        if radix > 0, let digit = Lexer.hexValue(peek(2)), digit < radix {
            at += 2
            var value: UInt128 = 0
            while at < bytes.count {
                if bytes[at] == UInt8(ascii: "_") {
                    at += 1
                    continue
                }
                guard let digit = Lexer.hexValue(bytes[at]), digit < radix else { break }
                guard value < UInt128(1) << 120 else {
                    throw SQLError(.numericValueOutOfRange, "number is out of range", position: start)
                }
                value = value * UInt128(radix) + UInt128(digit)
                at += 1
            }
            try refuseJunk(start)
            return .integer(value.description)
        }
        var isDecimal = false
        digits()
        if peek() == UInt8(ascii: "."), peek(1) != UInt8(ascii: "."), at < bytes.count {
            isDecimal = true
            at += 1
            digits()
        }
        if peek() | 32 == UInt8(ascii: "e") {
            let sign = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-") ? 1 : 0
            if Lexer.isDigit(peek(1 + sign)) {
                isDecimal = true
                at += 1 + sign
                digits()
            }
        }
        try refuseJunk(start)
        let written = String(decoding: bytes[start..<at].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        return isDecimal ? .decimal(written) : .integer(written)
    }

    /// The base that a letter behind a zero stands for; 0 for none.
    private static func radix(_ letter: UInt8) -> Int {
        switch letter {
        case UInt8(ascii: "x"): 16
        case UInt8(ascii: "o"): 8
        case UInt8(ascii: "b"): 2
        default: 0
        }
    }

    private mutating func digits() {
        while Lexer.isDigit(peek()) || (peek() == UInt8(ascii: "_") && Lexer.isDigit(peek(1))) { at += 1 }
    }

    private mutating func refuseJunk(_ start: Int) throws(SQLError) {
        guard at < bytes.count, Lexer.startsWord(bytes[at]) else { return }
        while at < bytes.count, Lexer.continuesWord(bytes[at]) { at += 1 }
        throw SQLError(
            .syntaxError, "trailing junk after numeric literal at or near \"\(text(start..<at))\"", position: start)
    }

    private static let signKeepers = Set("~!@#%^&|`?".utf8)
    private static let operatorBytes = Set("+-*/<>=~!@#%^&|`?".utf8)

    private mutating func symbol() throws(SQLError) -> Token.Kind {
        let start = at
        let byte = bytes[at]
        switch byte {
        case UInt8(ascii: ":"):
            at += peek(1) == UInt8(ascii: ":") || peek(1) == UInt8(ascii: "=") ? 2 : 1
            return .symbol(text(start..<at))
        case UInt8(ascii: "."):
            at += peek(1) == UInt8(ascii: ".") ? 2 : 1
            return .symbol(text(start..<at))
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ","),
            UInt8(ascii: ";"), UInt8(ascii: "{"), UInt8(ascii: "}"):
            at += 1
            return .symbol(text(start..<at))
        default: break
        }
        guard Lexer.operatorBytes.contains(byte) else {
            throw SQLError(
                .syntaxError, "syntax error at or near \"\(text(start..<start + 1))\"", position: start)
        }
        var end = at
        while end < bytes.count, Lexer.operatorBytes.contains(bytes[end]) {
            // A comment begins inside the run.
            if end > start, end + 1 < bytes.count {
                if bytes[end] == UInt8(ascii: "-"), bytes[end + 1] == UInt8(ascii: "-") { break }
                if bytes[end] == UInt8(ascii: "/"), bytes[end + 1] == UInt8(ascii: "*") { break }
            }
            end += 1
        }
        // Trailing + and - belong to what follows, unless the operator has one of these characters.
        if !bytes[start..<end].contains(where: Lexer.signKeepers.contains) {
            while end > start + 1, bytes[end - 1] == UInt8(ascii: "+") || bytes[end - 1] == UInt8(ascii: "-") {
                end -= 1
            }
        }
        at = end
        return .symbol(text(start..<end))
    }
}
