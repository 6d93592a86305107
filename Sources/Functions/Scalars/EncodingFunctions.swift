// Bytes as text and back: encode, decode; digests; UUIDs.
import Columns
import Crypto
import Diagnostics

enum EncodingFunctions {
    static let all: [Overload] = [
        Overload("encode", [.bytea, .text], .text) { (_, a, rows) throws(SQLError) in
            let (values, formats) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                out = try encode(TextKernels.bytes(values[row]), formats[row].string)
                return true
            }
        },
        Overload("decode", [.text, .text], .bytea) { (_, a, rows) throws(SQLError) in
            let (values, formats) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows, .bytea) { (row, out) throws(SQLError) in
                out = try decode(TextKernels.bytes(values[row]), formats[row].string)
                return true
            }
        },
        digest("md5", .text, .text) { appendHex([UInt8](Insecure.MD5.hash(data: $0)), &$1) },
        digest("md5", .bytea, .text) { appendHex([UInt8](Insecure.MD5.hash(data: $0)), &$1) },
        digest("sha256", .bytea, .bytea) { $1 = [UInt8](SHA256.hash(data: $0)) },
        digest("sha384", .bytea, .bytea) { $1 = [UInt8](SHA384.hash(data: $0)) },
        digest("sha512", .bytea, .bytea) { $1 = [UInt8](SHA512.hash(data: $0)) },
        Overload("gen_random_uuid", [SQLType](), .uuid, volatility: .volatile, canFail: false, uuids),
        Overload("uuid", [SQLType](), .uuid, volatility: .volatile, canFail: false, uuids),
    ]

    private static func digest(
        _ name: String, _ argument: SQLType, _ result: SQLType,
        _ body: @escaping @Sendable (UnsafeRawBufferPointer, inout [UInt8]) -> Void
    ) -> Overload {
        Overload(
            name, [argument], result, canFail: false,
            TextKernels.unary(result) { (raw, out) throws(SQLError) in body(raw, &out) })
    }

    private static let uuids: Kernel = { (_, _, rows) throws(SQLError) in
        var generator = SystemRandomNumberGenerator()
        let out = Buffer(count: max(1, rows), of: Int128.self)
        let o = out.pointer(Int128.self)
        for row in 0..<rows {
            var number = UInt128(generator.next() as UInt64) << 64 | UInt128(generator.next() as UInt64)
            // Version 4, variant 1 (RFC 9562).
            number = number & ~(0xf << 76) | 0x4 << 76
            number = number & ~(0x3 << 62) | 0x2 << 62
            o[row] = UUIDBits.stored(number)
        }
        return Column(.uuid, count: rows, values: out)
    }

    private static func unknown(_ format: String) -> SQLError {
        SQLError(.invalidParameterValue, "unrecognized encoding: \"\(format)\"")
    }

    static func appendHex(_ bytes: [UInt8], _ out: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        for byte in bytes {
            out.append(digits[Int(byte >> 4)])
            out.append(digits[Int(byte & 15)])
        }
    }

    private static func encode(_ bytes: [UInt8], _ format: String) throws(SQLError) -> [UInt8] {
        var out: [UInt8] = []
        switch format.lowercased() {
        case "hex": appendHex(bytes, &out)
        case "base64": appendBase64(bytes, &out)
        case "escape":
            for byte in bytes {
                if byte == 0 || byte >= 0x80 {
                    out.append(92)
                    out.append(48 + (byte >> 6))
                    out.append(48 + (byte >> 3 & 7))
                    out.append(48 + (byte & 7))
                } else {
                    if byte == 92 { out.append(92) }
                    out.append(byte)
                }
            }
        default: throw unknown(format)
        }
        return out
    }

    private static func decode(_ text: [UInt8], _ format: String) throws(SQLError) -> [UInt8] {
        switch format.lowercased() {
        case "hex":
            var out: [UInt8] = []
            let copy = text
            let failure: SQLError? = copy.withUnsafeBytes { raw in
                do throws(SQLError) {
                    try TextParse.hex(raw, into: &out)
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            return out
        case "base64": return try base64(text)
        case "escape":
            var prefixed = text
            // `\x` would mean hex digits; here it is an error.
            if text.starts(with: [92, 120]) { prefixed = [92] }
            let failure: Result<[UInt8], SQLError> = prefixed.withUnsafeBytes { raw in
                do throws(SQLError) { return .success(try TextParse.bytea(raw)) } catch { return .failure(error) }
            }
            return try failure.get()
        default: throw unknown(format)
        }
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// With a line feed after each 76 characters, as PostgreSQL.
    private static func appendBase64(_ bytes: [UInt8], _ out: inout [UInt8]) {
        var line = 0
        for start in stride(from: 0, to: bytes.count, by: 3) {
            if line == 76 {
                out.append(10)
                line = 0
            }
            let part = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for index in 0..<3 { bits = bits << 8 | (index < part.count ? UInt32(part[start + index]) : 0) }
            for index in 0..<4 {
                let digit = Int(bits >> UInt32(18 - index * 6) & 63)
                out.append(index <= part.count ? alphabet[digit] : 61)
            }
            line += 4
        }
    }

    private static func base64(_ text: [UInt8]) throws(SQLError) -> [UInt8] {
        var out: [UInt8] = []
        var (bits, count, padding): (UInt32, Int, Int) = (0, 0, 0)
        for byte in text {
            if byte == 32 || byte == 10 || byte == 13 || byte == 9 { continue }
            var digit: UInt32 = 0
            if byte == 61 {
                padding += 1
                guard count >= 2 else {
                    throw SQLError(.invalidParameterValue, "unexpected \"=\" while decoding base64 sequence")
                }
            } else if let found = alphabet.firstIndex(of: byte), padding == 0 {
                digit = UInt32(found)
            } else {
                let symbol = String(decoding: [byte], as: UTF8.self)
                throw SQLError(
                    .invalidParameterValue, "invalid symbol \"\(symbol)\" found while decoding base64 sequence")
            }
            bits = bits << 6 | digit
            count += 1
            if count == 4 {
                out.append(UInt8(truncatingIfNeeded: bits >> 16))
                if padding < 2 { out.append(UInt8(truncatingIfNeeded: bits >> 8)) }
                if padding < 1 { out.append(UInt8(truncatingIfNeeded: bits)) }
                (bits, count) = (0, 0)
            }
        }
        guard count == 0 else {
            throw SQLError(
                .invalidParameterValue, "invalid base64 end sequence",
                hint: "Input data is missing padding, is truncated, or is otherwise corrupted.")
        }
        return out
    }
}
