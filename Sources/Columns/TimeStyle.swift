// How a session prints times: DateStyle and IntervalStyle besides the plain ISO forms, which ValueTextDates.swift writes.
import Glibc

/// DateStyle, IntervalStyle and extra_float_digits.
public struct TimeStyle: Hashable, Sendable {
    public enum Dates: String, Hashable, Sendable {
        case iso = "ISO", sql = "SQL", postgres = "Postgres", german = "German"
    }
    public enum Order: String, Hashable, Sendable { case mdy = "MDY", dmy = "DMY", ymd = "YMD" }
    public enum Intervals: String, Hashable, Sendable {
        case postgres, verbose = "postgres_verbose", standard = "sql_standard", iso = "iso_8601"
    }
    public var dates: Dates
    /// Which of the numbers of a date is the month.
    public var order: Order
    public var intervals: Intervals
    /// Digits of floating-point numbers that extra_float_digits leaves of 15 and 6; nil: the shortest exact form.
    public var floatDigits: Int?
    /// bytea_output = escape.
    public var escapesBytes = false

    public init(dates: Dates = .iso, order: Order = .mdy, intervals: Intervals = .postgres) {
        self.dates = dates
        self.order = order
        self.intervals = intervals
    }

    /// Reads the values of the settings, as they are kept.
    public init(dateStyle: String, intervalStyle: String) {
        let words = dateStyle.split { $0 == "," || $0 == " " }
        dates = words.first.flatMap { Dates(rawValue: String($0)) } ?? .iso
        order = words.last.flatMap { Order(rawValue: String($0)) } ?? .mdy
        intervals = Intervals(rawValue: intervalStyle) ?? .postgres
    }
}

extension TextForm {
    /// Writes a date in the session's style.
    @inline(__always)
    public static func write(date days: Int32, style: TimeStyle, to start: UnsafeMutablePointer<UInt8>) -> Int {
        if style.dates == .iso { return write(date: days, to: start) }
        return put(StyledText.date(days, style), start)
    }

    /// Writes a timestamp in the session's style.
    @inline(__always)
    public static func write(timestamp value: Int64, style: TimeStyle, to start: UnsafeMutablePointer<UInt8>) -> Int {
        if style.dates == .iso { return write(timestamp: value, to: start) }
        return put(StyledText.timestamp(value, style), start)
    }

    /// Writes a double in the session's style.
    @inline(__always)
    public static func write(double value: Double, style: TimeStyle, to start: UnsafeMutablePointer<UInt8>) -> Int {
        guard let extra = style.floatDigits, value.isFinite else { return write(double: value, to: start) }
        return put(StyledText.float(value, digits: 15 + extra), start)
    }

    /// Writes a float in the session's style.
    @inline(__always)
    public static func write(float value: Float, style: TimeStyle, to start: UnsafeMutablePointer<UInt8>) -> Int {
        guard let extra = style.floatDigits, value.isFinite else { return write(float: value, to: start) }
        return put(StyledText.float(Double(value), digits: 6 + extra), start)
    }

    /// Writes an interval in the session's style.
    @inline(__always)
    public static func write(interval value: Interval, style: TimeStyle, to start: UnsafeMutablePointer<UInt8>) -> Int {
        if style.intervals == .postgres { return write(interval: value, to: start) }
        return put(StyledText.interval(value, style.intervals), start)
    }

    /// Copies a text that is short by its form.
    static func put(_ text: String, _ start: UnsafeMutablePointer<UInt8>) -> Int {
        var count = 0
        for byte in text.utf8.prefix(fixedMax) {
            start[count] = byte
            count += 1
        }
        return count
    }
}

/// The styles that few sessions use, as PostgreSQL's datetime.c writes them.
enum StyledText {
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(abs(number))
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// C's %.*g.
    static func float(_ value: Double, digits: Int) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = withVaList([Int32(max(1, digits)), value]) { vsnprintf(&buffer, buffer.count, "%.*g", $0) }
        return String(decoding: buffer.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func date(_ days: Int32, _ style: TimeStyle) -> String {
        if days == Calendar.dateInfinity { return "infinity" }
        if days == Calendar.dateNegativeInfinity { return "-infinity" }
        let civil = Calendar.civil(Int(days))
        let isBC = civil.year <= 0
        let separator = style.dates == .german ? "." : style.dates == .sql ? "/" : "-"
        let dayFirst = style.dates == .german || style.order == .dmy
        let (month, day) = (padded(civil.month, 2), padded(civil.day, 2))
        let parts = (dayFirst ? [day, month] : [month, day]) + [padded(isBC ? 1 - civil.year : civil.year, 4)]
        return parts.joined(separator: separator) + (isBC ? " BC" : "")
    }

    static func timestamp(_ value: Int64, _ style: TimeStyle) -> String {
        if value == Calendar.infinity { return "infinity" }
        if value == Calendar.negativeInfinity { return "-infinity" }
        return text(value, style, zone: "")
    }

    static func timestamptz(_ value: Int64, _ zone: SessionTimeZone) -> String {
        if value == Calendar.infinity { return "infinity" }
        if value == Calendar.negativeInfinity { return "-infinity" }
        let offset = Int(zone.offset(atUTC: value))
        let local = value &+ Int64(offset) &* Calendar.microsecondsPerSecond
        let name = zone.abbreviation(atUTC: value) ?? numeric(offset)
        return text(local, zone.style, zone: " " + name)
    }

    private static func numeric(_ offset: Int) -> String {
        let seconds = abs(offset)
        var text = (offset < 0 ? "-" : "+") + padded(seconds / 3600, 2)
        if seconds % 3600 != 0 { text += ":" + padded(seconds / 60 % 60, 2) }
        if seconds % 60 != 0 { text += ":" + padded(seconds % 60, 2) }
        return text
    }

    private static func text(_ local: Int64, _ style: TimeStyle, zone: String) -> String {
        let (days, time) = Calendar.split(local)
        var clock: [UInt8] = []
        TextForm.append(time: time, to: &clock)
        let shown = String(decoding: clock, as: UTF8.self)
        let civil = Calendar.civil(days)
        let isBC = civil.year <= 0
        let era = isBC ? " BC" : ""
        guard style.dates == .postgres else {
            let day = date(Int32(truncatingIfNeeded: days), style)
            return (isBC ? String(day.dropLast(3)) : day) + " " + shown + zone + era
        }
        let year = padded(isBC ? 1 - civil.year : civil.year, 4)
        let (month, day) = (months[civil.month - 1], padded(civil.day, 2))
        let first = style.order == .dmy ? "\(day) \(month)" : "\(month) \(day)"
        return "\(weekdays[Calendar.weekday(days)]) \(first) \(shown) \(year)\(zone)\(era)"
    }

    // MARK: - Intervals

    static func interval(_ value: Interval, _ style: TimeStyle.Intervals) -> String {
        let clock = value.microseconds
        let parts = Parts(
            year: Int(value.months / 12), month: Int(value.months % 12), day: Int(value.days),
            hour: Int(clock / 3_600_000_000), minute: Int(clock / 60_000_000 % 60), second: Int(clock / 1_000_000 % 60),
            fraction: Int(clock % 1_000_000))
        switch style {
        case .verbose, .postgres: return verbose(parts)
        case .standard: return standard(parts)
        case .iso: return iso(parts)
        }
    }

    private struct Parts {
        var year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, fraction: Int

        var all: [Int] { [year, month, day, hour, minute, second, fraction] }
        var hasSeconds: Bool { second != 0 || fraction != 0 }
        var negated: Parts {
            Parts(
                year: -year, month: -month, day: -day, hour: -hour, minute: -minute, second: -second,
                fraction: -fraction)
        }

        /// Seconds without sign; `two`: of at least two digits.
        func seconds(two: Bool) -> String {
            var text = two ? StyledText.padded(second, 2) : String(abs(second))
            if fraction != 0 {
                var digits = StyledText.padded(fraction, 6)
                while digits.hasSuffix("0") { digits.removeLast() }
                text += "." + digits
            }
            return text
        }
    }

    /// `@ 1 year 2 mons ago`.
    private static func verbose(_ parts: Parts) -> String {
        var text = "@"
        var (isZero, isBefore) = (true, false)
        let units = [
            (parts.year, "year"), (parts.month, "mon"), (parts.day, "day"), (parts.hour, "hour"), (parts.minute, "min"),
        ]
        for (number, unit) in units where number != 0 {
            var number = number
            if isZero {
                isBefore = number < 0
                number = abs(number)
            } else if isBefore {
                number = -number
            }
            text += " \(number) \(unit)\(number == 1 ? "" : "s")"
            isZero = false
        }
        if parts.hasSeconds {
            text += " "
            if parts.second < 0 || (parts.second == 0 && parts.fraction < 0) {
                if isZero { isBefore = true } else if !isBefore { text += "-" }
            } else if isBefore {
                text += "-"
            }
            text += parts.seconds(two: false) + (abs(parts.second) != 1 || parts.fraction != 0 ? " secs" : " sec")
            isZero = false
        }
        if isZero { text += " 0" }
        return isBefore ? text + " ago" : text
    }

    /// `1-2`, `3 4:05:06`, with signs everywhere when they differ.
    private static func standard(_ given: Parts) -> String {
        let hasNegative = given.all.contains { $0 < 0 }
        let hasPositive = given.all.contains { $0 > 0 }
        guard hasNegative || hasPositive else { return "0" }
        let hasYears = given.year != 0 || given.month != 0
        let hasDays = given.day != 0 || given.hour != 0 || given.minute != 0 || given.hasSeconds
        guard !(hasNegative && hasPositive), !(hasYears && hasDays) else {
            func sign(_ numbers: Int...) -> String { numbers.contains { $0 < 0 } ? "-" : "+" }
            let clock = "\(abs(given.hour)):\(padded(given.minute, 2)):\(given.seconds(two: true))"
            return "\(sign(given.year, given.month))\(abs(given.year))-\(abs(given.month)) "
                + "\(sign(given.day))\(abs(given.day)) "
                + "\(sign(given.hour, given.minute, given.second, given.fraction))\(clock)"
        }
        let parts = hasNegative ? given.negated : given
        let minus = hasNegative ? "-" : ""
        if hasYears { return "\(minus)\(parts.year)-\(parts.month)" }
        let clock = "\(parts.hour):\(padded(parts.minute, 2)):\(parts.seconds(two: true))"
        return parts.day != 0 ? "\(minus)\(parts.day) \(clock)" : minus + clock
    }

    /// `P1Y2M3DT4H5M6S`.
    private static func iso(_ parts: Parts) -> String {
        guard parts.all.contains(where: { $0 != 0 }) else { return "PT0S" }
        var text = "P"
        for (number, unit) in [(parts.year, "Y"), (parts.month, "M"), (parts.day, "D")] where number != 0 {
            text += "\(number)\(unit)"
        }
        guard parts.hour != 0 || parts.minute != 0 || parts.hasSeconds else { return text }
        text += "T"
        if parts.hour != 0 { text += "\(parts.hour)H" }
        if parts.minute != 0 { text += "\(parts.minute)M" }
        if parts.hasSeconds {
            text += (parts.second < 0 || parts.fraction < 0 ? "-" : "") + parts.seconds(two: false) + "S"
        }
        return text
    }
}
