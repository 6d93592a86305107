// Upper and lower case: ASCII by bytes, everything else by Unicode's simple mappings. Hot.
import Columns

enum TextCase: Sendable {
    case lower, upper, title

    /// Appends the text in a case.
    static func append(_ text: UnsafeRawBufferPointer, _ mode: TextCase, to out: inout [UInt8]) {
        if mode != .title, TextOps.isASCII(text) {
            let first: UInt8 = mode == .lower ? 65 : 97
            out.reserveCapacity(out.count + text.count)
            for byte in text { out.append(byte &- first < 26 ? byte ^ 32 : byte) }
            return
        }
        var startsWord = true
        var at = 0
        while at < text.count {
            let next = TextOps.next(text, at)
            let scalar = TextOps.scalar(text, at)
            let isWordPart: Bool
            if scalar < 0x80 {
                let byte = UInt8(scalar)
                let isLetter = (byte | 32) &- 97 < 26
                isWordPart = isLetter || byte &- 48 < 10
                out.append(isLetter ? cased(byte, mode, startsWord) : byte)
            } else if let unicode = Unicode.Scalar(scalar) {
                isWordPart = unicode.properties.isAlphabetic || unicode.properties.numericType != nil
                append(unicode, mode, startsWord, to: &out)
            } else {
                isWordPart = false
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[at..<next]))
            }
            startsWord = !isWordPart
            at = next
        }
    }

    @inline(__always)
    private static func cased(_ letter: UInt8, _ mode: TextCase, _ startsWord: Bool) -> UInt8 {
        switch mode {
        case .lower: letter | 32
        case .upper: letter & ~32
        case .title: startsWord ? letter & ~32 : letter | 32
        }
    }

    /// One code point becomes one: longer mappings (ß to SS) leave it as it is, as towupper does.
    private static func append(_ scalar: Unicode.Scalar, _ mode: TextCase, _ startsWord: Bool, to out: inout [UInt8]) {
        let isUpper = mode == .upper || (mode == .title && startsWord)
        let mapping = isUpper ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
        var scalars = mapping.unicodeScalars.makeIterator()
        let first = scalars.next() ?? scalar
        TextOps.append(scalars.next() == nil ? first.value : scalar.value, to: &out)
    }
}
