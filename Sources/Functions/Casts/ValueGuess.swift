// What a text may be a value of: how the types of CSV and JSON files are found. The rules are DuckDB's.
public import Columns
import Diagnostics

/// The types that all texts seen so far are values of.
public struct ValueGuess: Sendable, Hashable {
    /// One choice a bit, from the most to the least particular.
    public struct Choices: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        public static let boolean = Choices(rawValue: 1)
        public static let bigint = Choices(rawValue: 2)
        public static let double = Choices(rawValue: 4)
        public static let time = Choices(rawValue: 8)
        public static let date = Choices(rawValue: 16)
        public static let timestamp = Choices(rawValue: 32)
        public static let timestamptz = Choices(rawValue: 64)
        public static let uuid = Choices(rawValue: 128)
        public static let all = Choices(rawValue: 255)
    }

    public private(set) var choices = Choices.all
    /// Whether a text was seen.
    public private(set) var isKnown = false

    public init() {}

    /// The type; nil when no text was seen.
    public var type: SQLType? {
        guard isKnown else { return nil }
        let types: [(Choices, SQLType)] = [
            (.boolean, .boolean), (.bigint, .int8), (.double, .float8), (.time, .time), (.date, .date),
            (.timestamp, .timestamp), (.timestamptz, .timestamptz), (.uuid, .uuid),
        ]
        return types.first { choices.contains($0.0) }?.1 ?? .text
    }

    /// Adds a value of a CSV file.
    public mutating func add(csv text: String) { add(ValueGuess.csv(text)) }

    /// Adds a string of a JSON file: numbers in quotes stay text there.
    public mutating func add(json text: String) { add(ValueGuess.json(text)) }

    public mutating func add(_ other: Choices) {
        isKnown = true
        choices.formIntersection(other)
    }

    public mutating func merge(_ other: ValueGuess) {
        guard other.isKnown else { return }
        add(other.choices)
    }

    // MARK: - One text

    public static func csv(_ text: String) -> Choices {
        let trimmed = Array(text.utf8).drop { $0 == 32 }
        let bytes = Array(trimmed.reversed().drop { $0 == 32 }.reversed())
        guard let first = bytes.first, bytes.count <= lengthMax else { return [] }
        var found: Choices = []
        if words.contains(String(decoding: bytes, as: UTF8.self).lowercased()) { found.insert(.boolean) }
        if first &- 48 < 10 || first == 45 || first == 43 || first == 46 || first | 32 == 110 || first | 32 == 105 {
            found.formUnion(number(bytes))
        }
        if first &- 48 < 10 {
            if isTime(bytes[...]) { found.insert(.time) }
            found.formUnion(day(bytes, isJSON: false))
        }
        return found
    }

    public static func json(_ text: String) -> Choices {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= lengthMax else { return [] }
        var found: Choices = []
        if first &- 48 < 10 {
            if isTime(bytes[...]) { found.insert(.time) }
            found.formUnion(day(bytes, isJSON: true))
        }
        if isUUID(bytes) { found.insert(.uuid) }
        return found
    }

    /// Longer texts are no such values.
    private static let lengthMax = 64
    private static let words: Set<String> = ["true", "false", "t", "f", "yes", "no"]

    /// Zeros in front make a code of a number.
    private static func number(_ bytes: [UInt8]) -> Choices {
        var at = bytes.first == 45 || bytes.first == 43 ? 1 : 0
        let digits = at
        while at < bytes.count, bytes[at] &- 48 < 10 { at += 1 }
        if at - digits > 1, bytes[digits] == 48 { return [] }
        let text = String(decoding: bytes, as: UTF8.self)
        if at == bytes.count, at > digits { return Int64(text) != nil ? [.bigint, .double] : .double }
        let word = text.drop { $0 == "-" || $0 == "+" }.lowercased()
        if ["nan", "inf", "infinity"].contains(word) { return .double }
        guard at < bytes.count, bytes[at] == 46 || bytes[at] | 32 == 101, !text.lowercased().contains("x") else {
            return []
        }
        return Double(text) != nil ? .double : []
    }

    private static func isTime(_ bytes: ArraySlice<UInt8>) -> Bool {
        let parts = bytes.split(separator: 58, omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, bytes.count <= 15 else { return false }
        let limits = [24, 60, 60]
        for (index, part) in parts.enumerated() {
            var whole = part
            if index == 2, let dot = part.firstIndex(of: 46) {
                guard part[(dot + 1)...].allSatisfy({ $0 &- 48 < 10 }) else { return false }
                whole = part[..<dot]
            }
            guard whole.count == 2 || (index == 0 && whole.count == 1),
                let number = Int(String(decoding: whole, as: UTF8.self)), number < limits[index]
            else { return false }
        }
        return true
    }

    private static func day(_ bytes: [UInt8], isJSON: Bool) -> Choices {
        let stop = bytes.firstIndex { $0 == 32 || $0 == 84 } ?? bytes.count
        let parts = bytes[..<stop].split(separator: 45, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count == 4, (1...2).contains(parts[1].count), (1...2).contains(parts[2].count),
            parts.allSatisfy({ $0.allSatisfy { $0 &- 48 < 10 } }),
            (try? TextParse.scalar(String(decoding: bytes[..<stop], as: UTF8.self), as: .date)) != nil
        else { return [] }
        if stop == bytes.count { return isJSON ? .date : [.date, .timestamp, .timestamptz] }
        let rest = bytes[(stop + 1)...]
        let zone = rest.firstIndex { $0 == 90 || $0 == 43 || $0 == 45 } ?? rest.endIndex
        guard isTime(rest[..<zone]) else { return [] }
        let hasZone = zone < rest.endIndex
        if hasZone {
            let tail = rest[zone...]
            let digits = tail.dropFirst().filter { $0 != 58 }
            guard
                tail.first == 90
                    ? tail.count == 1 : (digits.count == 2 || digits.count == 4) && digits.allSatisfy({ $0 &- 48 < 10 })
            else { return [] }
        }
        guard isJSON else { return hasZone ? .timestamptz : [.timestamp, .timestamptz] }
        // The two forms that DuckDB looks for in JSON: with a blank and no zone, or with a T, and a zone behind fractions.
        guard rest[..<zone].count(where: { $0 == 58 }) == 2 else { return [] }
        if bytes[stop] == 32 { return hasZone ? [] : .timestamp }
        return hasZone || !rest.contains(46) ? .timestamp : []
    }

    private static func isUUID(_ bytes: [UInt8]) -> Bool {
        guard bytes.count == 36 else { return false }
        for (index, byte) in bytes.enumerated() {
            let isDash = [8, 13, 18, 23].contains(index)
            guard isDash ? byte == 45 : JSONEscape.hexDigit(byte) != nil else { return false }
        }
        return true
    }
}
