// Paths of a Hive layout: key=value folders, their decoding and the types of their values; which names are hidden.

import Columns
import Diagnostics
import Storage

/// One key=value folder; a nil value is NULL.
struct PartitionPair: Hashable, Sendable {
    let key: String
    let value: String?

    /// Splits a folder's name at its first `=`; nil when it has none or no key.
    init?(folder name: some StringProtocol) {
        guard let sign = name.firstIndex(of: "="), sign > name.startIndex else { return nil }
        key = PartitionPath.decode(String(name[..<sign]))
        value = PartitionPath.value(String(name[name.index(after: sign)...]))
    }
}

/// The conventions of Hive's paths.
enum PartitionPath {
    /// What Hive and Spark write for NULL.
    static let nullName = "__HIVE_DEFAULT_PARTITION__"

    /// The value of the part after `=`.
    static func value(_ raw: String) -> String? {
        let decoded = decode(raw)
        // The word in any case is NULL too, as DuckDB reads it.
        if decoded == nullName || decoded.uppercased() == "NULL" { return nil }
        return decoded
    }

    /// Decodes %XX; what is no such code stays as it is, and so does everything if the result is not UTF-8.
    static func decode(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count, let high = digit(bytes[at + 1]),
                let low = digit(bytes[at + 2])
            {
                result.append(high << 4 | low)
                at += 3
            } else {
                result.append(bytes[at])
                at += 1
            }
        }
        return String(validating: result, as: UTF8.self) ?? text
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Folders that writers use for themselves: `_temporary`, `.staging`, but not a key that starts so.
    static func isHiddenFolder(_ name: some StringProtocol) -> Bool {
        name.hasPrefix(".") || (name.hasPrefix("_") && !name.contains("="))
    }

    /// Files that are no data: `_SUCCESS`, `.part.crc`.
    static func isHiddenFile(_ name: some StringProtocol) -> Bool {
        name.utf8.first == UInt8(ascii: ".") || name.utf8.first == UInt8(ascii: "_")
    }

    /// Whether a file found in a folder is taken for Parquet: by its extension, or because it has none, as Hive's.
    static func isDataFile(_ name: String) -> Bool {
        if name.utf8.reversed().starts(with: ".parquet".utf8.reversed()) { return true }
        guard let dot = name.lastIndex(of: ".") else { return true }
        switch name[name.index(after: dot)...].lowercased() {
        case "parquet", "parq", "pq": return true
        default: return false
        }
    }

    /// Whether a name says that it is a file rather than a folder.
    static func isNamedAsFile(_ name: String) -> Bool { name.contains(".") && isDataFile(name) }

    // MARK: - Types

    /// The narrowest type that holds all values: bigint, date, timestamp, else text. NULLs say nothing.
    static func type(of values: some Collection<String?>) -> SQLType {
        let known = values.compactMap { $0 }
        guard !known.isEmpty else { return .text }
        if known.allSatisfy(isInteger) { return .int8 }
        if known.allSatisfy({ isDate(Array($0.utf8)[...]) }) { return .date }
        if known.allSatisfy(isTimestamp) { return .timestamp }
        return .text
    }

    /// A number that its value spells, or one of two digits (`month=01`): longer ones with zeros in front are codes.
    private static func isInteger(_ text: String) -> Bool {
        var digits = text.utf8[...]
        if digits.first == UInt8(ascii: "-") { digits.removeFirst() }
        guard let first = digits.first, digits.allSatisfy({ $0 &- 48 < 10 }), Int64(text) != nil else { return false }
        return first != UInt8(ascii: "0") || digits.count <= 2
    }

    /// Year, month and day in ISO form, and a day that exists.
    private static func isDate(_ bytes: ArraySlice<UInt8>) -> Bool {
        let shape = Array("0000-00-00".utf8)
        guard bytes.count == shape.count,
            zip(bytes, shape).allSatisfy({ $1 == UInt8(ascii: "-") ? $0 == $1 : $0 &- 48 < 10 })
        else { return false }
        return (try? TextParse.scalar(String(decoding: bytes, as: UTF8.self), as: .date)) != nil
    }

    private static func isTimestamp(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count >= 19, isDate(bytes[..<10]), bytes[10] == UInt8(ascii: " ") || bytes[10] == UInt8(ascii: "T"),
            bytes[11...].allSatisfy({ $0 &- 48 < 11 || $0 == UInt8(ascii: ".") })
        else { return false }
        return (try? TextParse.scalar(text, as: .timestamp)) != nil
    }

    /// A value as its key's type; an empty one is NULL unless the key is text.
    static func scalar(_ value: String?, of key: Field, in path: ObjectPath) throws(SQLError) -> Scalar {
        guard let value, !value.isEmpty || key.type.isText else { return .null(key.type) }
        if key.type == .text { return .text(value) }
        do throws(SQLError) {
            return try TextParse.scalar(value, as: key.type)
        } catch {
            throw mistyped(value, key, path, error.state)
        }
    }

    /// The error of a value that is not of its key's type.
    static func mistyped(_ value: String, _ key: Field, _ path: ObjectPath, _ state: SQLState) -> SQLError {
        SQLError(
            state, "partition value \"\(value)\" of key \"\(key.name)\" is not of type \(key.type.name)",
            detail: "It is in the path \"\(path)\".", hint: "Declare the key with a type that holds all its values.")
    }
}

extension Collection<Field> {
    /// The index of a name: exactly, else without regard to case.
    func position(of name: String) -> Index? {
        if let exact = firstIndex(where: { $0.name == name }) { return exact }
        let lower = name.lowercased()
        return firstIndex { $0.name.lowercased() == lower }
    }
}
