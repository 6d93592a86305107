// U&'...' and U&"...": strings and identifiers with Unicode escapes (docs 4.1.2.3), perhaps with UESCAPE behind them.
import Diagnostics

extension Lexer {
    /// Reads the token at `U&` and a UESCAPE clause.
    mutating func unicodeToken() throws(SQLError) -> Token.Kind {
        let start = at
        at += 2
        let isIdentifier = peek() == UInt8(ascii: "\"")
        let raw = isIdentifier ? try quotedIdentifier() : try string(escapes: false)
        let text = try unescaped(Array(raw.utf8), try escapeCharacter(), start)
        return isIdentifier ? .quotedWord(text) : .string(text)
    }

    /// The character of a UESCAPE clause; a backslash when there is none.
    private mutating func escapeCharacter() throws(SQLError) -> UInt8 {
        let end = at
        try skipSpace()
        let word = Array("uescape".utf8)
        let candidate = bytes[at..<min(bytes.count, at + word.count)]
        guard candidate.elementsEqual(word, by: { $0 | 32 == $1 }), !Lexer.continuesWord(peek(word.count)) else {
            at = end
            return UInt8(ascii: "\\")
        }
        at += word.count
        try skipSpace()
        let start = at
        guard peek() == UInt8(ascii: "'") else {
            throw SQLError(
                .syntaxError, "UESCAPE must be followed by a simple string literal at or near \"\(near(start))\"",
                position: start)
        }
        let text = Array(try string(escapes: false).utf8)
        let refused = Set("+'\" \t\n\r\u{0B}\u{0C}".utf8)
        guard text.count == 1, Lexer.hexValue(text[0]) == nil, !refused.contains(text[0]) else {
            throw SQLError(
                .syntaxError, "invalid Unicode escape character at or near \"\(near(start))\"", position: start)
        }
        return text[0]
    }

    /// Replaces `\XXXX` and `\+XXXXXX`; a doubled escape character stands for itself.
    private func unescaped(_ raw: [UInt8], _ escape: UInt8, _ start: Int) throws(SQLError) -> String {
        var scalars = String.UnicodeScalarView()
        var plain: [UInt8] = []
        var highHalf: UInt32?
        var index = 0
        let failure = SQLError(
            .syntaxError, "invalid Unicode escape", hint: "Unicode escapes must be \\XXXX or \\+XXXXXX.",
            position: start)
        while index < raw.count {
            guard raw[index] == escape, !(index + 1 < raw.count && raw[index + 1] == escape) else {
                guard highHalf == nil else {
                    throw SQLError(.syntaxError, "invalid Unicode surrogate pair", position: start)
                }
                plain.append(raw[index])
                index += raw[index] == escape ? 2 : 1
                continue
            }
            let isLong = index + 1 < raw.count && raw[index + 1] == UInt8(ascii: "+")
            let first = index + (isLong ? 2 : 1)
            let last = first + (isLong ? 6 : 4)
            guard last <= raw.count else { throw failure }
            var value: UInt32 = 0
            for byte in raw[first..<last] {
                guard let digit = Lexer.hexValue(byte) else { throw failure }
                value = value << 4 | UInt32(digit)
            }
            index = last
            if let high = highHalf {
                guard value & 0xFC00 == 0xDC00 else {
                    throw SQLError(.syntaxError, "invalid Unicode surrogate pair", position: start)
                }
                value = 0x10000 + ((high - 0xD800) << 10) + (value - 0xDC00)
                highHalf = nil
            } else if value & 0xFFFF_FC00 == 0xD800 {
                highHalf = value
                continue
            }
            guard value != 0, let scalar = Unicode.Scalar(value) else {
                throw SQLError(.syntaxError, "invalid Unicode escape value", position: start)
            }
            scalars.append(contentsOf: String(decoding: plain, as: UTF8.self).unicodeScalars)
            plain = []
            scalars.append(scalar)
        }
        guard highHalf == nil else { throw SQLError(.syntaxError, "invalid Unicode surrogate pair", position: start) }
        scalars.append(contentsOf: String(decoding: plain, as: UTF8.self).unicodeScalars)
        return String(scalars)
    }
}
