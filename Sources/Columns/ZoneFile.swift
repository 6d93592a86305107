// Reads TZif files (RFC 8536) and POSIX TZ rules: untrusted bytes, so every read is bounded.
import Glibc

/// One zone file's transitions.
struct ZoneFile {
    /// Seconds since 1970 UTC, ascending.
    private var transitions: [Int64] = []
    /// Offset after each transition, seconds east.
    private var offsets: [Int32] = []
    private var first: Int32 = 0
    /// What the zone is called after each transition.
    private var names: [String] = []
    private var firstName = ""
    /// Holds after the last transition.
    private var rule: ZoneRule?

    /// The largest zone files have 4 KB.
    private static let fileBytesMax = 1 << 20
    private static let folder = "/usr/share/zoneinfo/"

    /// Finds a zone by name, ignoring case as PostgreSQL does.
    static func load(_ name: String) -> SessionTimeZone? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.isEmpty, parts.count <= 3 else { return nil }
        var path = folder
        var canonical: [String] = []
        for part in parts {
            guard isSafe(part), let entry = match(String(part), in: path) else { return nil }
            canonical.append(entry)
            path += (path.hasSuffix("/") ? "" : "/") + entry
        }
        guard let bytes = read(path), let file = ZoneFile(bytes) else { return nil }
        return SessionTimeZone(
            name: canonical.joined(separator: "/"), abbreviationAtUTC: { file.abbreviation(floorSeconds($0)) }
        ) { micros in
            file.offset(floorSeconds(micros))
        }
    }

    private static func isSafe(_ part: Substring) -> Bool {
        guard let first = part.utf8.first, first != 46 else { return false }
        return part.utf8.allSatisfy { byte in
            (byte | 32 >= 97 && byte | 32 <= 122) || (byte >= 48 && byte <= 57) || byte == 95 || byte == 45
                || byte == 43
        }
    }

    private static func match(_ name: String, in folder: String) -> String? {
        var status = stat()
        if stat(folder + (folder.hasSuffix("/") ? "" : "/") + name, &status) == 0 { return name }
        guard let handle = opendir(folder) else { return nil }
        defer { closedir(handle) }
        while let entry = readdir(handle) {
            let found = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if found.lowercased() == name.lowercased() { return found }
        }
        return nil
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count > 44, count < bytes.count else { return nil }
        return Array(bytes[0..<count])
    }

    private init?(_ bytes: [UInt8]) {
        guard bytes.count >= 44, Array(bytes[0..<4]) == Array("TZif".utf8) else { return nil }
        guard bytes[4] >= 50 else { return nil }
        // The version 1 block comes first, with 32-bit times; skip it.
        guard let old = ZoneFile.counts(bytes, 0) else { return nil }
        let start = 44 + old.times * 5 + old.types * 6 + old.chars + old.leaps * 8 + old.standard + old.ut
        guard let new = ZoneFile.counts(bytes, start) else { return nil }
        var at = start + 44
        let size = new.times * 9 + new.types * 6 + new.chars + new.leaps * 12 + new.standard + new.ut
        guard new.types > 0, at + size <= bytes.count else { return nil }
        var times: [Int64] = []
        for index in 0..<new.times {
            var value: UInt64 = 0
            for byte in 0..<8 { value = value << 8 | UInt64(bytes[at + index * 8 + byte]) }
            times.append(Int64(bitPattern: value))
        }
        at += new.times * 8
        let kinds = at
        at += new.times
        let letters = at + new.types * 6
        var typeOffsets: [Int32] = []
        var typeNames: [String] = []
        for index in 0..<new.types {
            var value: UInt32 = 0
            for byte in 0..<4 { value = value << 8 | UInt32(bytes[at + index * 6 + byte]) }
            typeOffsets.append(Int32(bitPattern: value))
            let from = min(Int(bytes[at + index * 6 + 5]), new.chars)
            let text = bytes[(letters + from)..<(letters + new.chars)].prefix { $0 != 0 }
            typeNames.append(String(decoding: text, as: UTF8.self))
        }
        for index in 0..<new.times {
            let kind = Int(bytes[kinds + index])
            guard kind < new.types, abs(Int(typeOffsets[kind])) <= 200_000 else { return nil }
            offsets.append(typeOffsets[kind])
            names.append(typeNames[kind])
        }
        firstName = typeNames[0]
        transitions = times
        first = typeOffsets[0]
        let footer = start + 44 + size
        if footer + 2 <= bytes.count, bytes[footer] == 10, let end = bytes[(footer + 1)...].firstIndex(of: 10) {
            rule = ZoneRule(Array(bytes[(footer + 1)..<end]))
        }
    }

    private struct Counts { var ut = 0, standard = 0, leaps = 0, times = 0, types = 0, chars = 0 }

    private static func counts(_ bytes: [UInt8], _ start: Int) -> Counts? {
        guard start >= 0, start + 44 <= bytes.count else { return nil }
        var numbers: [Int] = []
        for index in 0..<6 {
            var value = 0
            for byte in 0..<4 { value = value << 8 | Int(bytes[start + 20 + index * 4 + byte]) }
            guard value <= fileBytesMax else { return nil }
            numbers.append(value)
        }
        return Counts(
            ut: numbers[0], standard: numbers[1], leaps: numbers[2], times: numbers[3], types: numbers[4],
            chars: numbers[5])
    }

    private func offset(_ seconds: Int64) -> Int32 {
        if transitions.isEmpty || seconds >= transitions[transitions.count - 1], let rule {
            return rule.offset(seconds)
        }
        return index(seconds).map { offsets[$0] } ?? first
    }

    /// nil where the zone has numbers instead of letters.
    private func abbreviation(_ seconds: Int64) -> String? {
        var name = index(seconds).map { names[$0] } ?? firstName
        if transitions.isEmpty || seconds >= transitions[transitions.count - 1], let rule {
            name = rule.letters(seconds)
        }
        return name.utf8.allSatisfy { $0 | 32 >= 97 && $0 | 32 <= 122 } && !name.isEmpty ? name : nil
    }

    /// The last transition at or before an instant; nil before the first.
    private func index(_ seconds: Int64) -> Int? {
        guard let earliest = transitions.first, seconds >= earliest else { return nil }
        var (low, high) = (0, transitions.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if transitions[middle] <= seconds { low = middle } else { high = middle - 1 }
        }
        return low
    }
}

/// Whole seconds at or before an instant.
func floorSeconds(_ microseconds: Int64) -> Int64 {
    let seconds = microseconds / 1_000_000
    return microseconds < seconds * 1_000_000 ? seconds - 1 : seconds
}

/// A POSIX TZ rule: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneRule {
    private var standard: Int32 = 0
    private var daylight: Int32?
    private var standardName = ""
    private var daylightName = ""
    private var start = Day(kind: .month(3, 2, 0), seconds: 7200)
    private var end = Day(kind: .month(11, 1, 0), seconds: 7200)

    private struct Day {
        enum Kind { case month(Int, Int, Int), julian(Int), zeroBased(Int) }
        var kind: Kind
        var seconds: Int

        /// Seconds since 1970 by the local clock.
        func local(_ year: Int) -> Int64 {
            let day: Int
            switch kind {
            case .julian(let number):
                let leap = Calendar.isLeap(year) && number >= 60 ? 1 : 0
                day = Calendar.daysFromCivil(year, 1, 1) + number - 1 + leap
            case .zeroBased(let number): day = Calendar.daysFromCivil(year, 1, 1) + number
            case .month(let month, let week, let weekday):
                let first = Calendar.daysFromCivil(year, month, 1)
                var of = (weekday - Calendar.weekday(first) + 7) % 7 + (week - 1) * 7
                if of >= Calendar.days(inMonth: month, of: year) { of -= 7 }
                day = first + of
            }
            return Int64(day) * 86_400 + Int64(seconds)
        }
    }

    /// Parses; nil when the text is no rule.
    init?(_ text: [UInt8]) {
        var at = 0
        guard ZoneRule.name(text, &at) else {
            // A bare offset: PostgreSQL reads it as POSIX does, west positive.
            guard let west = ZoneRule.clock(text, &at), at == text.count else { return nil }
            standard = Int32(-west)
            return
        }
        standardName = String(decoding: text[0..<at], as: UTF8.self)
        guard let west = ZoneRule.clock(text, &at) else { return nil }
        standard = Int32(-west)
        guard at < text.count else { return }
        let second = at
        guard ZoneRule.name(text, &at) else { return nil }
        daylightName = String(decoding: text[second..<at], as: UTF8.self)
        daylight = standard + 3600
        if at < text.count, text[at] != 44 {
            guard let other = ZoneRule.clock(text, &at) else { return nil }
            daylight = Int32(-other)
        }
        guard at < text.count else { return }
        guard text[at] == 44 else { return nil }
        at += 1
        guard let from = ZoneRule.day(text, &at), at < text.count, text[at] == 44 else { return nil }
        at += 1
        guard let to = ZoneRule.day(text, &at), at == text.count else { return nil }
        (start, end) = (from, to)
    }

    func offset(_ seconds: Int64) -> Int32 {
        guard let daylight else { return standard }
        let days =
            (seconds + Int64(standard)) >= 0
            ? (seconds + Int64(standard)) / 86_400 : (seconds + Int64(standard) - 86_399) / 86_400
        let year = Calendar.civil(Int(days)).year
        let begin = start.local(year) - Int64(standard)
        let finish = end.local(year) - Int64(daylight)
        let isDaylight =
            begin < finish
            ? seconds >= begin && seconds < finish : !(seconds >= finish && seconds < begin)
        return isDaylight ? daylight : standard
    }

    /// What the clock is called at an instant.
    func letters(_ seconds: Int64) -> String {
        daylight != nil && daylight != standard && offset(seconds) == daylight ? daylightName : standardName
    }

    func zone(_ name: String) -> SessionTimeZone {
        let rule = self
        let letters: @Sendable (Int64) -> String? = {
            let text = rule.letters(floorSeconds($0))
            return !text.isEmpty && text.allSatisfy(\.isLetter) ? text : nil
        }
        return SessionTimeZone(name: name, abbreviationAtUTC: letters) { rule.offset(floorSeconds($0)) }
    }

    /// The name that SHOW TimeZone prints for a number of hours: `<+02>-02`.
    static func fixedName(_ seconds: Int32) -> String {
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let (h, m) = (abs(seconds) / 3600, abs(seconds) / 60 % 60)
        let clock = two(h) + (m == 0 ? "" : ":" + two(m))
        return seconds < 0 ? "<-\(clock)>+\(clock)" : "<+\(clock)>-\(clock)"
    }

    private static func name(_ text: [UInt8], _ at: inout Int) -> Bool {
        let start = at
        if at < text.count, text[at] == 60 {
            guard let close = text[at...].firstIndex(of: 62) else { return false }
            at = close + 1
            return true
        }
        while at < text.count, text[at] | 32 >= 97, text[at] | 32 <= 122 { at += 1 }
        if at - start >= 3 { return true }
        at = start
        return false
    }

    private static func number(_ text: [UInt8], _ at: inout Int, max: Int) -> Int? {
        var value = 0
        let start = at
        while at < text.count, text[at] >= 48, text[at] <= 57, at - start < 4 {
            value = value * 10 + Int(text[at] - 48)
            at += 1
        }
        return at > start && value <= max ? value : nil
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    private static func clock(_ text: [UInt8], _ at: inout Int) -> Int? {
        var sign = 1
        if at < text.count, text[at] == 43 || text[at] == 45 {
            sign = text[at] == 45 ? -1 : 1
            at += 1
        }
        guard let hours = number(text, &at, max: 167) else { return nil }
        var total = hours * 3600
        for unit in [60, 1] where at < text.count && text[at] == 58 {
            at += 1
            guard let part = number(text, &at, max: 59) else { return nil }
            total += part * unit
        }
        return sign * total
    }

    private static func day(_ text: [UInt8], _ at: inout Int) -> Day? {
        guard at < text.count else { return nil }
        let kind: Day.Kind
        if text[at] == 77 {
            at += 1
            guard let month = number(text, &at, max: 12), month > 0, at < text.count, text[at] == 46 else { return nil }
            at += 1
            guard let week = number(text, &at, max: 5), week > 0, at < text.count, text[at] == 46 else { return nil }
            at += 1
            guard let weekday = number(text, &at, max: 6) else { return nil }
            kind = .month(month, week, weekday)
        } else if text[at] == 74 {
            at += 1
            guard let number = number(text, &at, max: 365), number > 0 else { return nil }
            kind = .julian(number)
        } else {
            guard let number = number(text, &at, max: 365) else { return nil }
            kind = .zeroBased(number)
        }
        var seconds = 7200
        if at < text.count, text[at] == 47 {
            at += 1
            guard let time = clock(text, &at) else { return nil }
            seconds = time
        }
        return Day(kind: kind, seconds: seconds)
    }
}
