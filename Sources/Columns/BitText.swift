// Strings of bits, kept as text of 0 and 1.
public import Diagnostics

/// The text forms of bit strings.
public enum BitText {
    /// Reads `101`, `b101` and `x1f`.
    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(SQLError) -> String {
        var text = bytes[...]
        let first = text.first.map { $0 | 32 }
        guard first == UInt8(ascii: "x") else {
            if first == UInt8(ascii: "b") { text = text.dropFirst() }
            for byte in text where byte != 48 && byte != 49 {
                throw wrong(byte, "binary", bytes)
            }
            return String(decoding: text, as: UTF8.self)
        }
        var bits = ""
        for byte in text.dropFirst() {
            guard let digit = JSONEscape.hexDigit(byte) else { throw wrong(byte, "hexadecimal", bytes) }
            for shift in [3, 2, 1, 0] { bits += digit >> UInt32(shift) & 1 == 1 ? "1" : "0" }
        }
        return bits
    }

    private static func wrong(_ byte: UInt8, _ kind: String, _ bytes: UnsafeRawBufferPointer) -> SQLError {
        let rest = String(decoding: bytes, as: UTF8.self).unicodeScalars
        let shown = rest.first { $0.value >= 128 || UInt8($0.value) == byte }.map(String.init) ?? ""
        return SQLError(.invalidTextRepresentation, "\"\(shown)\" is not a valid \(kind) digit")
    }

    /// Fits bits to a length as assignment does: what does not fit is an error.
    public static func fitted(_ bits: String, length: Int, isVarying: Bool) throws(SQLError) -> String {
        let count = bits.utf8.count
        if isVarying {
            guard count <= length else {
                throw SQLError(
                    .stringDataRightTruncation, "bit string too long for type bit varying(\(length))")
            }
            return bits
        }
        guard count == length else {
            throw SQLError(
                SQLState("22026"), "bit string length \(count) does not match type bit(\(length))")
        }
        return bits
    }

    /// Fits bits to a length as a cast does: cut, or filled up with zeros on the right.
    public static func cast(_ bits: String, length: Int, isVarying: Bool) -> String {
        let count = bits.utf8.count
        if count > length { return String(bits.prefix(length)) }
        return isVarying ? bits : bits + String(repeating: "0", count: length - count)
    }
}
