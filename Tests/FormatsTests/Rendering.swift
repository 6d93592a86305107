// Values as DuckDB prints them, and CSV as it stands in the fixtures.

import Columns
import Foundation

/// A value as text; `\N` for NULL.
func rendered(_ scalar: Scalar) -> String {
    switch scalar.value {
    case .null: return "\\N"
    case .bool(let flag): return flag ? "true" : "false"
    case .int(let number): return rendered(number, scalar.type)
    case .double(let number):
        if number.isNaN { return "nan" }
        return scalar.type == .float4 ? "\(Float(number))" : "\(number)"
    case .int128(let number):
        guard case .decimal(_, let scale) = scalar.type else { return "\(number)" }
        return rendered(number, scale: scale)
    case .numeric(let mantissa, let scale): return rendered(mantissa, scale: scale)
    case .string(let text): return text
    case .bytes(let bytes):
        return bytes.map { byte in
            let isPlain = byte >= 32 && byte < 127 && byte != 92 && byte != 34 && byte != 39
            return isPlain ? String(UnicodeScalar(byte)) : String(format: "\\x%02X", byte)
        }.joined()
    case .interval(let interval): return "\(interval.months) \(interval.days) \(interval.microseconds)"
    case .array(let elements):
        let parts = elements.map { element in
            guard case .map = scalar.type, case .row(let entry) = element.value else { return nested(element) }
            return entry.map(nested).joined(separator: "=")
        }
        if case .map = scalar.type { return "{" + parts.joined(separator: ", ") + "}" }
        return "[" + parts.joined(separator: ", ") + "]"
    case .row(let values):
        let names = scalar.type.rowFields ?? []
        let parts = zip(names, values).map { "'\($0.name)': " + nested($1) }
        return "{" + parts.joined(separator: ", ") + "}"
    }
}

/// A part of a nested value.
private func nested(_ scalar: Scalar) -> String {
    let text = scalar.isNull ? "NULL" : rendered(scalar)
    return !scalar.type.isNested && text.contains(":") ? "'\(text)'" : text
}

private func rendered(_ number: Int64, _ type: SQLType) -> String {
    let daily: Int64 = 86_400_000_000
    switch type {
    case .date: return date(number)
    case .time: return time(number)
    case .timestamp, .timestamptz:
        let day = number >= 0 ? number / daily : -((daily - 1 - number) / daily)
        return date(day) + " " + time(number - day * daily) + (type == .timestamptz ? "+00" : "")
    default: return "\(number)"
    }
}

private func rendered(_ mantissa: Int128, scale: Int) -> String {
    var digits = "\(mantissa.magnitude)"
    while digits.count <= scale { digits = "0" + digits }
    if scale > 0 { digits.insert(".", at: digits.index(digits.endIndex, offsetBy: -scale)) }
    return (mantissa < 0 ? "-" : "") + digits
}

/// Days since 1970-01-01 in the Gregorian calendar.
private func date(_ days: Int64) -> String {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let ofEra = shifted - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * ofYear + 2) / 153
    let day = ofYear - (153 * month + 2) / 5 + 1
    let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
    return String(format: "%04d-%02d-%02d", year, month < 10 ? month + 3 : month - 9, day)
}

private func time(_ microseconds: Int64) -> String {
    let seconds = microseconds / 1_000_000
    var text = String(format: "%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
    if microseconds % 1_000_000 != 0 {
        var fraction = String(format: "%06d", microseconds % 1_000_000)
        while fraction.last == "0" { fraction.removeLast() }
        text += "." + fraction
    }
    return text
}

/// Records of CSV text with quotes, over lines.
func records(_ text: String) -> [[String]] {
    var all: [[String]] = []
    var record: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var bytes = Array(text.utf8)[...]
    while let byte = bytes.popFirst() {
        if isQuoted {
            if byte != UInt8(ascii: "\"") {
                field.append(byte)
            } else if bytes.first == UInt8(ascii: "\"") {
                field.append(byte)
                bytes.removeFirst()
            } else {
                isQuoted = false
            }
        } else if byte == UInt8(ascii: "\"") {
            isQuoted = true
        } else if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\n") {
            record.append(String(decoding: field, as: UTF8.self))
            field = []
            if byte == UInt8(ascii: "\n") {
                all.append(record)
                record = []
            }
        } else {
            field.append(byte)
        }
    }
    return all
}
