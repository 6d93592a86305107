// Dates of a partition projection: a range with steps, and how a moment is written in paths.

import Columns
import Diagnostics
import Storage

/// The dates of one key.
struct ProjectedDates: Sendable {
    private enum Unit: Sendable {
        case seconds(Int64)
        case months(Int64)
    }

    /// A part of a date's text.
    private enum Part: Sendable, Equatable {
        case text(String)
        /// The letter of the pattern and how many there are.
        case field(Character, Int)
    }

    /// One end of a range: a moment, or so long before or after now.
    private enum End: Sendable {
        case moment(Int64)
        case now(Int64, Unit)
    }

    private let key: String
    private let parts: [Part]
    private let from: End
    private let to: End
    private let interval: Int64
    private let unit: Unit

    init(
        _ key: String, format: String, from: String, to: String, interval: Int64, unit name: String?
    ) throws(SQLError) {
        self.key = key
        let parts = try ProjectedDates.parts(format, key)
        self.parts = parts
        self.interval = interval
        self.from = try ProjectedDates.end(from, parts, key)
        self.to = try ProjectedDates.end(to, parts, key)
        unit =
            try name.map { (name) throws(SQLError) in try ProjectedDates.unit(name, key) }
            ?? ProjectedDates.finest(parts)
    }

    private static let letters: Set<Character> = ["y", "M", "d", "H", "m", "s"]

    private static func parts(_ format: String, _ key: String) throws(SQLError) -> [Part] {
        var parts: [Part] = []
        var rest = format[...]
        while let letter = rest.first {
            if letter == "'" {
                let inner = rest.dropFirst()
                guard let end = inner.firstIndex(of: "'") else {
                    throw Projection.invalid("property \"projection.\(key).format\" has an open quote")
                }
                parts.append(.text(end == inner.startIndex ? "'" : String(inner[..<end])))
                rest = inner[inner.index(after: end)...]
            } else if letters.contains(letter) {
                let count = rest.prefix { $0 == letter }.count
                parts.append(.field(letter, count))
                rest = rest.dropFirst(count)
            } else if letter.isLetter {
                throw SQLError(
                    .featureNotSupported, "the letter \"\(letter)\" of a projection's date format is not supported",
                    hint: "Letters are y, M, d, H, m and s; others are written in quotes.")
            } else {
                parts.append(.text(String(letter)))
                rest = rest.dropFirst()
            }
        }
        return parts
    }

    private static func unit(_ name: String, _ key: String) throws(SQLError) -> Unit {
        switch name.uppercased() {
        case "YEAR", "YEARS": return .months(12)
        case "MONTH", "MONTHS": return .months(1)
        case "WEEK", "WEEKS": return .seconds(604_800)
        case "DAY", "DAYS": return .seconds(86_400)
        case "HOUR", "HOURS": return .seconds(3_600)
        case "MINUTE", "MINUTES": return .seconds(60)
        case "SECOND", "SECONDS": return .seconds(1)
        default: throw Projection.invalid("property \"projection.\(key)\" has an unknown unit \"\(name)\"")
        }
    }

    /// Steps as fine as the text can tell.
    private static func finest(_ parts: [Part]) -> Unit {
        func has(_ letter: Character) -> Bool {
            parts.contains { part in
                if case .field(letter, _) = part { true } else { false }
            }
        }
        if has("s") { return .seconds(1) }
        if has("m") { return .seconds(60) }
        if has("H") { return .seconds(3_600) }
        if has("d") { return .seconds(86_400) }
        return .months(has("M") ? 1 : 12)
    }

    /// `NOW`, `NOW-3DAYS`, `NOW+1MONTH` or a date in the format.
    private static func end(_ text: String, _ parts: [Part], _ key: String) throws(SQLError) -> End {
        let upper = text.uppercased()
        guard upper.hasPrefix("NOW") else {
            guard let moment = moment(text, parts) else {
                throw Projection.invalid("\"\(text)\" in \"projection.\(key).range\" does not have the key's format")
            }
            return .moment(moment)
        }
        let rest = upper.dropFirst(3).filter { $0 != " " }
        guard let sign = rest.first else { return .now(0, .seconds(1)) }
        let digits = rest.dropFirst().prefix { $0.isNumber }
        guard sign == "-" || sign == "+", let count = Int64(digits), count < 1_000_000 else {
            throw Projection.invalid("\"\(text)\" in \"projection.\(key).range\" is not understood")
        }
        let unit = try unit(String(rest.dropFirst(1 + digits.count)), key)
        return .now(sign == "-" ? -count : count, unit)
    }

    /// Seconds since 1970 of a text; nil if it does not fit.
    private static func moment(_ text: String, _ parts: [Part]) -> Int64? {
        var rest = text[...]
        var fields: [Character: Int] = [:]
        for (index, part) in parts.enumerated() {
            switch part {
            case .text(let literal):
                guard rest.hasPrefix(literal) else { return nil }
                rest = rest.dropFirst(literal.count)
            case .field(let letter, let count):
                // Fields that touch the next have a fixed width.
                var digits = rest.prefix { $0.isASCII && $0.isNumber }
                if index + 1 < parts.count, case .field = parts[index + 1] { digits = digits.prefix(count) }
                guard let number = Int(digits), digits.count <= 9 else { return nil }
                fields[letter] = number
                rest = rest.dropFirst(digits.count)
            }
        }
        let (year, month, day) = (fields["y"] ?? 1970, fields["M"] ?? 1, fields["d"] ?? 1)
        let (hour, minute, second) = (fields["H"] ?? 0, fields["m"] ?? 0, fields["s"] ?? 0)
        guard rest.isEmpty, (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24,
            minute < 60, second < 60
        else { return nil }
        let days = Calendar.daysFromCivil(year, month, day)
        let back = Calendar.civil(days)
        guard back.month == month else { return nil }
        return Int64(days) * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    }

    // MARK: - Moments

    /// All moments of the range, in seconds since 1970.
    func moments(_ now: Int64, valuesMax: Int) throws(SQLError) -> [Int64] {
        let first = ProjectedDates.resolve(from, now, parts)
        let last = ProjectedDates.resolve(to, now, parts)
        var moments: [Int64] = []
        var step: Int64 = 0
        while true {
            let moment = ProjectedDates.moved(first, step * interval, unit)
            if moment > last { return moments }
            guard moments.count < valuesMax else {
                throw SQLError(.programLimitExceeded, "the partition key \"\(key)\" has too many projected values")
            }
            moments.append(moment)
            step += 1
        }
    }

    private static func resolve(_ end: End, _ now: Int64, _ parts: [Part]) -> Int64 {
        switch end {
        case .moment(let moment): return moment
        case .now(let count, let unit):
            // As fine as the text is: the day of now, where it tells days.
            let moved = moved(now, count, unit)
            return moment(text(moved, parts), parts) ?? moved
        }
    }

    private static func moved(_ moment: Int64, _ count: Int64, _ unit: Unit) -> Int64 {
        switch unit {
        case .seconds(let seconds): return moment + count * seconds
        case .months(let months):
            let days = Int(floorDivided(moment, 86_400))
            let civil = Calendar.civil(days)
            let total = Int64(civil.year) * 12 + Int64(civil.month - 1) + count * months
            let (year, month) = (Int(floorDivided(total, 12)), Int(total - floorDivided(total, 12) * 12) + 1)
            var day = civil.day
            while day > 28, Calendar.civil(Calendar.daysFromCivil(year, month, day)).month != month { day -= 1 }
            return Int64(Calendar.daysFromCivil(year, month, day)) * 86_400 + moment - Int64(days) * 86_400
        }
    }

    private static func floorDivided(_ a: Int64, _ b: Int64) -> Int64 {
        a >= 0 ? a / b : (a - b + 1) / b
    }

    func text(_ moment: Int64) -> String { ProjectedDates.text(moment, parts) }

    private static func text(_ moment: Int64, _ parts: [Part]) -> String {
        let days = floorDivided(moment, 86_400)
        let civil = Calendar.civil(Int(days))
        let second = Int(moment - days * 86_400)
        var text = ""
        for part in parts {
            switch part {
            case .text(let literal): text += literal
            case .field(let letter, let count):
                let value =
                    switch letter {
                    case "y": count == 2 ? civil.year % 100 : civil.year
                    case "M": civil.month
                    case "d": civil.day
                    case "H": second / 3_600
                    case "m": second / 60 % 60
                    default: second % 60
                    }
                let digits = String(value)
                text += String(repeating: "0", count: max(0, count - digits.count)) + digits
            }
        }
        return text
    }

    /// The value that a moment has for a key.
    func scalar(_ moment: Int64, _ text: String, _ key: Field, _ path: ObjectPath) throws(SQLError) -> Scalar {
        switch key.type {
        case .date: Scalar(.date, .int(ProjectedDates.floorDivided(moment, 86_400)))
        case .timestamp, .timestamptz: Scalar(key.type, .int(moment * 1_000_000))
        default: try PartitionPath.scalar(text, of: key, in: path)
        }
    }
}
