// Values in binary format to the text that PostgreSQL prints: written from its documentation, with nothing of ours, so
// that an error in the server's encoders cannot cancel itself out.
import Glibc

/// Reads the binary form of a type, named by OID.
enum BinaryValues {
    /// The text of a value with the zone UTC; nil for a type that is not known here.
    static func text(_ bytes: ArraySlice<UInt8>, oid: UInt32) -> String? {
        var reader = BinaryReader(bytes)
        switch oid {
        case 16: return reader.int(1) == 1 ? "t" : "f"
        case 17: return "\\x" + bytes.map { hex(Int($0), 2) }.joined()
        case 20: return String(reader.int(8))
        case 21: return String(reader.int(2))
        case 23: return String(reader.int(4))
        case 26: return String(UInt32(truncatingIfNeeded: reader.int(4)))
        // "char" and name among them.
        case 18, 19, 25, 114, 1042, 1043: return String(decoding: bytes, as: UTF8.self)
        // A version goes before jsonb.
        case 3802: return bytes.first == 1 ? String(decoding: bytes.dropFirst(), as: UTF8.self) : nil
        case 700:
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: reader.int(4)))
            return float("\(value)", fixedBelow: 6)
        case 701:
            let value = Double(bitPattern: UInt64(bitPattern: Int64(reader.int(8))))
            return float("\(value)", fixedBelow: 15)
        case 1082: return date(reader.int(4), infinity: Int(Int32.max))
        case 1083: return time(reader.int(8))
        case 1266:
            let clock = time(reader.int(8))
            return clock + offset(-reader.int(4))
        case 650, 869: return address(Array(bytes), isNetwork: oid == 650)
        case 1114: return timestamp(reader.int(8))
        case 1184:
            let text = timestamp(reader.int(8))
            return text.hasSuffix("infinity")
                ? text : text.hasSuffix(" BC") ? text.dropLast(3) + "+00 BC" : text + "+00"
        case 1186: return interval(reader.int(8), reader.int(4), reader.int(4))
        case 1700: return numeric(&reader)
        case 2950:
            let digits = bytes.map { hex(Int($0), 2) }
            return [digits[..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10...]].map { $0.joined() }
                .joined(separator: "-")
        case 199, 3807, 1000, 1001, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1115, 1182, 1183, 1185, 1187, 1231,
            2951, 651, 1041, 1270:
            return array(&reader)
        default: return nil
        }
    }

    /// Seconds east of UTC as `+05:30`.
    private static func offset(_ seconds: Int) -> String {
        let parts = [abs(seconds) / 3600, abs(seconds) / 60 % 60, abs(seconds) % 60]
        let shown = parts[2] != 0 ? 3 : parts[1] != 0 ? 2 : 1
        return (seconds < 0 ? "-" : "+") + parts.prefix(shown).map { padded(String($0), 2) }.joined(separator: ":")
    }

    /// Family, bits of the network, whether it is one, the bytes of the address.
    private static func address(_ bytes: [UInt8], isNetwork: Bool) -> String? {
        guard bytes.count == 8 || bytes.count == 20, Int(bytes[3]) == bytes.count - 4 else { return nil }
        let raw = Array(bytes[4...])
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(raw.count == 4 ? AF_INET : AF_INET6, raw, &text, socklen_t(text.count)) != nil else {
            return nil
        }
        let host = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        return isNetwork || Int(bytes[1]) != raw.count * 8 ? "\(host)/\(bytes[1])" : host
    }

    private static func hex(_ value: Int, _ width: Int) -> String { padded(String(value, radix: 16), width) }

    private static func padded(_ digits: String, _ width: Int) -> String {
        String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    // MARK: Numbers

    /// Swift's shortest digits in PostgreSQL's layout: plain from 1e-4 up to a power of ten, else with an exponent.
    private static func float(_ swift: String, fixedBelow: Int) -> String {
        switch swift {
        case "nan", "-nan": return "NaN"
        case "inf": return "Infinity"
        case "-inf": return "-Infinity"
        default: break
        }
        let sign = swift.hasPrefix("-") ? "-" : ""
        let parts = swift.drop { $0 == "-" }.split(separator: "e")
        let halves = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let fraction = halves.count > 1 && halves[1] != "0" ? halves[1] : ""
        var digits = halves[0] + fraction
        var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + halves[0].count - 1
        while digits.hasPrefix("0"), digits.count > 1 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
        if digits == "0" { return sign + "0" }
        if exponent >= -4, exponent < fixedBelow {
            if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
            if digits.count <= exponent + 1 {
                return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count)
            }
            return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
        }
        let tail = digits.count > 1 ? "." + digits.dropFirst() : ""
        return sign + digits.prefix(1) + tail + "e" + (exponent < 0 ? "-" : "+") + padded(String(abs(exponent)), 2)
    }

    /// Groups of four digits around the point, and the digits behind it that are shown.
    private static func numeric(_ reader: inout BinaryReader) -> String {
        let count = reader.int(2)
        let weight = reader.int(2)
        let sign = reader.int(2) & 0xffff
        let scale = reader.int(2)
        switch sign {
        case 0xc000: return "NaN"
        case 0xd000: return "Infinity"
        case 0xf000: return "-Infinity"
        default: break
        }
        let groups = (0..<count).map { _ in reader.int(2) }
        func group(_ index: Int) -> Int { groups.indices.contains(index) ? groups[index] : 0 }
        var whole = weight < 0 ? "0" : (0...weight).map { padded(String(group($0)), 4) }.joined()
        while whole.count > 1, whole.hasPrefix("0") { whole.removeFirst() }
        var fraction = ""
        var index = weight + 1
        while fraction.count < scale {
            fraction += index < 0 ? "0000" : padded(String(group(index)), 4)
            index += 1
        }
        return (sign == 0x4000 ? "-" : "") + whole + (scale > 0 ? "." + fraction.prefix(scale) : "")
    }

    // MARK: Times

    private static func date(_ days: Int, infinity: Int) -> String {
        if days == infinity { return "infinity" }
        if days == -infinity - 1 { return "-infinity" }
        // Days since 2000-01-01 to a civil date: eras of 400 years that begin in March.
        let shifted = days + 730_425
        let era = shifted >= 0 ? shifted / 146_097 : (shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let shown = padded(String(year > 0 ? year : 1 - year), 4)
        return "\(shown)-\(padded(String(month), 2))-\(padded(String(day), 2))" + (year > 0 ? "" : " BC")
    }

    private static func time(_ microseconds: Int) -> String {
        let seconds = microseconds / 1_000_000
        let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { padded(String($0), 2) }
        var fraction = padded(String(microseconds % 1_000_000), 6)
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return parts.joined(separator: ":") + (fraction.isEmpty ? "" : "." + fraction)
    }

    private static func timestamp(_ microseconds: Int) -> String {
        if microseconds == Int.max { return "infinity" }
        if microseconds == Int.min { return "-infinity" }
        let day = 86_400_000_000
        let days = microseconds >= 0 ? microseconds / day : (microseconds - day + 1) / day
        let text = date(days, infinity: Int(Int32.max))
        let clock = time(microseconds - days * day)
        return text.hasSuffix(" BC") ? "\(text.dropLast(3)) \(clock) BC" : "\(text) \(clock)"
    }

    private static func interval(_ microseconds: Int, _ days: Int, _ months: Int) -> String {
        var parts: [String] = []
        var wasNegative = false
        func add(_ value: Int, _ unit: String) {
            guard value != 0 else { return }
            parts.append("\(wasNegative && value > 0 ? "+" : "")\(value) \(unit)\(value == 1 ? "" : "s")")
            wasNegative = value < 0
        }
        add(months / 12, "year")
        add(months % 12, "mon")
        add(days, "day")
        if microseconds != 0 || parts.isEmpty {
            let sign = microseconds < 0 ? "-" : wasNegative ? "+" : ""
            parts.append(sign + time(abs(microseconds)))
        }
        return parts.joined(separator: " ")
    }

    // MARK: Arrays

    private static func array(_ reader: inout BinaryReader) -> String? {
        let dimensions = reader.int(4)
        _ = reader.int(4)
        let oid = UInt32(reader.int(4))
        var sizes: [Int] = []
        for _ in 0..<dimensions {
            sizes.append(reader.int(4))
            _ = reader.int(4)
        }
        return sizes.isEmpty ? "{}" : level(sizes[...], oid, &reader)
    }

    private static func level(_ sizes: ArraySlice<Int>, _ oid: UInt32, _ reader: inout BinaryReader) -> String? {
        guard let size = sizes.first else { return nil }
        var elements: [String] = []
        for _ in 0..<size {
            if sizes.count > 1 {
                guard let inner = level(sizes.dropFirst(), oid, &reader) else { return nil }
                elements.append(inner)
                continue
            }
            guard let bytes = reader.value() else {
                elements.append("NULL")
                continue
            }
            guard let text = text(bytes, oid: oid) else { return nil }
            elements.append(quoted(text))
        }
        return "{" + elements.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String {
        let needsQuotes =
            text.isEmpty || text.uppercased() == "NULL"
            || text.contains { "{},\"\\".contains($0) || $0.isWhitespace }
        guard needsQuotes else { return text }
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

/// Reads fields in network byte order; what is missing reads as zero, which the comparison then shows.
struct BinaryReader {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { bytes.isEmpty }

    /// A signed number of some bytes.
    mutating func int(_ width: Int) -> Int {
        var value: Int = 0
        for index in 0..<width {
            let byte = bytes.popFirst() ?? 0
            value = index == 0 ? Int(Int8(bitPattern: byte)) : value << 8 | Int(byte)
        }
        return value
    }

    /// A length and that many bytes; nil for NULL.
    mutating func value() -> ArraySlice<UInt8>? {
        let length = int(4)
        guard length >= 0 else { return nil }
        defer { bytes = bytes.dropFirst(length) }
        return bytes.prefix(length)
    }

    /// Text up to a zero byte.
    mutating func string() -> String {
        let text = bytes.prefix { $0 != 0 }
        bytes = bytes.dropFirst(text.count + 1)
        return String(decoding: text, as: UTF8.self)
    }
}
