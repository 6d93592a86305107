// Bytes as text and back: encode, decode, md5, sha256; UUIDs.
import Columns
import Diagnostics
import Glibc

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
        Overload(
            "md5", [.text], .text, canFail: false,
            TextKernels.unary { (raw, out) throws(SQLError) in
                appendHex(Digests.md5([UInt8](raw)), &out)
            }),
        Overload(
            "md5", [.bytea], .text, canFail: false,
            TextKernels.unary { (raw, out) throws(SQLError) in
                appendHex(Digests.md5([UInt8](raw)), &out)
            }),
        Overload(
            "sha256", [.bytea], .bytea, canFail: false,
            TextKernels.unary(.bytea) { (raw, out) throws(SQLError) in
                out = Digests.sha256([UInt8](raw))
            }),
        Overload("gen_random_uuid", [SQLType](), .uuid, volatility: .volatile, canFail: false, uuids),
        Overload("uuid", [SQLType](), .uuid, volatility: .volatile, canFail: false, uuids),
    ]

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

/// MD5 (RFC 1321) and SHA-256 (FIPS 180-4): for SQL functions, not for secrets.
enum Digests {
    private static func padded(_ message: [UInt8], isBigEndian: Bool) -> [UInt8] {
        var bytes = message
        let bits = UInt64(message.count) * 8
        bytes.append(0x80)
        while bytes.count % 64 != 56 { bytes.append(0) }
        for index in 0..<8 {
            let shift = UInt64(isBigEndian ? 56 - index * 8 : index * 8)
            bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
        }
        return bytes
    }

    private static func rotate(_ x: UInt32, left count: UInt32) -> UInt32 { x << count | x >> (32 - count) }

    private static let sines: [UInt32] = (0..<64).map { UInt32(abs(sin(Double($0 + 1))) * 4_294_967_296) }
    private static let shifts: [UInt32] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]

    static func md5(_ message: [UInt8]) -> [UInt8] {
        let bytes = padded(message, isBigEndian: false)
        var state: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]
        for block in stride(from: 0, to: bytes.count, by: 64) {
            var words: [UInt32] = []
            for word in 0..<16 {
                let at = block + word * 4
                words.append(
                    UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16
                        | UInt32(bytes[at + 3]) << 24)
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            for round in 0..<64 {
                let mix: UInt32
                let index: Int
                switch round / 16 {
                case 0: (mix, index) = ((b & c) | (~b & d), round)
                case 1: (mix, index) = ((d & b) | (~d & c), (5 * round + 1) % 16)
                case 2: (mix, index) = (b ^ c ^ d, (3 * round + 5) % 16)
                default: (mix, index) = (c ^ (b | ~d), 7 * round % 16)
                }
                let sum = a &+ mix &+ sines[round] &+ words[index]
                (a, d, c) = (d, c, b)
                b = b &+ rotate(sum, left: shifts[round / 16 * 4 + round % 4])
            }
            state = [state[0] &+ a, state[1] &+ b, state[2] &+ c, state[3] &+ d]
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) } }
    }

    private static let primes: [Int] = {
        var found: [Int] = []
        var next = 2
        while found.count < 64 {
            if !found.contains(where: { next % $0 == 0 }) { found.append(next) }
            next += 1
        }
        return found
    }()

    /// The first 32 bits of the fractional part of a root, by whole numbers.
    private static func fraction(_ prime: Int, cubic: Bool) -> UInt32 {
        // The greatest r with r^2 (or r^3) <= prime * 2^64 (or 2^96).
        let target = cubic ? UInt128(prime) << 96 : UInt128(prime) << 64
        var root: UInt128 = 0
        for bit in stride(from: 40, through: 0, by: -1) {
            let trial = root | 1 << UInt128(bit)
            let (square, o1) = trial.multipliedReportingOverflow(by: trial)
            let (power, o2) = cubic ? square.multipliedReportingOverflow(by: trial) : (square, false)
            if !o1, !o2, power <= target { root = trial }
        }
        return UInt32(truncatingIfNeeded: root)
    }

    private static let constants: [UInt32] = primes.map { fraction($0, cubic: true) }
    private static let initial: [UInt32] = primes.prefix(8).map { fraction($0, cubic: false) }

    static func sha256(_ message: [UInt8]) -> [UInt8] {
        let bytes = padded(message, isBigEndian: true)
        var state = initial
        for block in stride(from: 0, to: bytes.count, by: 64) {
            var w: [UInt32] = []
            for word in 0..<16 {
                let at = block + word * 4
                w.append(
                    UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8
                        | UInt32(bytes[at + 3]))
            }
            for index in 16..<64 {
                let (x, y) = (w[index - 15], w[index - 2])
                let s0 = rotate(x, left: 25) ^ rotate(x, left: 14) ^ (x >> 3)
                let s1 = rotate(y, left: 15) ^ rotate(y, left: 13) ^ (y >> 10)
                w.append(w[index - 16] &+ s0 &+ w[index - 7] &+ s1)
            }
            var v = state
            for index in 0..<64 {
                let e = v[4]
                let s1 = rotate(e, left: 26) ^ rotate(e, left: 21) ^ rotate(e, left: 7)
                let choice = (e & v[5]) ^ (~e & v[6])
                let first = v[7] &+ s1 &+ choice &+ constants[index] &+ w[index]
                let a = v[0]
                let s0 = rotate(a, left: 30) ^ rotate(a, left: 19) ^ rotate(a, left: 10)
                let majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2])
                v = [first &+ s0 &+ majority, v[0], v[1], v[2], v[3] &+ first, v[4], v[5], v[6]]
            }
            for index in 0..<8 { state[index] = state[index] &+ v[index] }
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - $0 * 8)) } }
    }
}
