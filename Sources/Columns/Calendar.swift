// Dates, timestamps and intervals as integers: the proleptic Gregorian calendar, days and microseconds since 1970. Hot.
public import Diagnostics

/// A day as people write it. The year is astronomical: 0 is 1 BC.
public struct CivilDate: Hashable, Sendable {
    public var year: Int
    /// 1...12.
    public var month: Int
    /// 1...31.
    public var day: Int

    @inline(__always)
    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }
}

/// Conversions between civil dates and day numbers, and the ranges that SQL types hold.
public enum Calendar {
    public static let microsecondsPerSecond: Int64 = 1_000_000
    public static let microsecondsPerMinute: Int64 = 60_000_000
    public static let microsecondsPerHour: Int64 = 3_600_000_000
    public static let microsecondsPerDay: Int64 = 86_400_000_000
    /// infinity and -infinity of `date`.
    public static let dateInfinity = Int32.max
    public static let dateNegativeInfinity = Int32.min
    /// infinity and -infinity of `timestamp` and `timestamptz`.
    public static let infinity = Int64.max
    public static let negativeInfinity = Int64.min
    /// 4714-11-24 BC, the first day of the Julian calendar count, as PostgreSQL.
    public static let firstDay = daysFromCivil(-4713, 11, 24)
    /// The day after 5874897-12-31.
    public static let endDay = daysFromCivil(5_874_898, 1, 1)
    /// The day after the last whole year of `timestamp`. 64 bits of microseconds since 1970 end in 294247.
    public static let endTimestampDay = daysFromCivil(294_247, 1, 1)

    /// Days since 1970-01-01. Any year in reach of Int; the month must be 1...12.
    @inline(__always)
    public static func daysFromCivil(_ year: Int, _ month: Int, _ day: Int) -> Int {
        // Years begin in March, so that the leap day is the last one; 400 years are 146097 days.
        let y = month <= 2 ? year &- 1 : year
        let era = (y >= 0 ? y : y &- 399) / 400
        let yearOfEra = y &- era &* 400
        let monthFromMarch = month > 2 ? month &- 3 : month &+ 9
        let dayOfYear = (153 &* monthFromMarch &+ 2) / 5 &+ day &- 1
        let dayOfEra = yearOfEra &* 365 &+ yearOfEra / 4 &- yearOfEra / 100 &+ dayOfYear
        return era &* 146_097 &+ dayOfEra &- 719_468
    }

    /// The civil date of a day number.
    @inline(__always)
    public static func civil(_ days: Int) -> CivilDate {
        let z = days &+ 719_468
        let era = (z >= 0 ? z : z &- 146_096) / 146_097
        let dayOfEra = z &- era &* 146_097
        let yearOfEra = (dayOfEra &- dayOfEra / 1460 &+ dayOfEra / 36_524 &- dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra &- (365 &* yearOfEra &+ yearOfEra / 4 &- yearOfEra / 100)
        let mp = (5 &* dayOfYear &+ 2) / 153
        let month = mp < 10 ? mp &+ 3 : mp &- 9
        let year = yearOfEra &+ era &* 400 &+ (month <= 2 ? 1 : 0)
        return CivilDate(year: year, month: month, day: dayOfYear &- (153 &* mp &+ 2) / 5 &+ 1)
    }

    @inline(__always)
    public static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// Days of a month.
    @inline(__always)
    public static func days(inMonth month: Int, of year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : 30 &+ ((month &+ (month &>> 3)) & 1)
    }

    /// 0 is Sunday.
    @inline(__always)
    public static func weekday(_ days: Int) -> Int {
        let rest = (days &+ 4) % 7
        return rest < 0 ? rest &+ 7 : rest
    }

    /// 1...366.
    @inline(__always)
    public static func dayOfYear(_ days: Int) -> Int { days &- daysFromCivil(civil(days).year, 1, 1) &+ 1 }

    /// The ISO 8601 week and the year it belongs to.
    public static func isoWeek(_ days: Int) -> (year: Int, week: Int) {
        // The week belongs to the year of its Thursday.
        let thursday = days &- (weekday(days) &+ 6) % 7 &+ 3
        let year = civil(thursday).year
        return (year, (thursday &- daysFromCivil(year, 1, 1)) / 7 &+ 1)
    }

    /// The Monday of week 1 of an ISO year.
    public static func isoYearStart(_ year: Int) -> Int {
        let fourth = daysFromCivil(year, 1, 4)
        return fourth &- (weekday(fourth) &+ 6) % 7
    }

    /// Splits microseconds since 1970 into the day and the microseconds of the day.
    @inline(__always)
    public static func split(_ timestamp: Int64) -> (days: Int, time: Int64) {
        var days = timestamp / microsecondsPerDay
        var time = timestamp &- days &* microsecondsPerDay
        if time < 0 {
            days &-= 1
            time &+= microsecondsPerDay
        }
        return (Int(days), time)
    }

    /// Joins a day and microseconds of the day; nil out of range.
    @inline(__always)
    public static func join(_ days: Int, _ time: Int64) -> Int64? {
        guard days >= firstDay, days < endTimestampDay else { return nil }
        let (micros, overflow) = (Int64(days) &* microsecondsPerDay).addingReportingOverflow(time)
        return overflow ? nil : micros
    }

    /// Whether a timestamp is in the range that PostgreSQL's type holds.
    @inline(__always)
    public static func isInRange(_ timestamp: Int64) -> Bool {
        timestamp >= Int64(firstDay) &* microsecondsPerDay && timestamp < Int64(endTimestampDay) &* microsecondsPerDay
    }

    /// Adds months, moving to the month's last day when the day does not exist; nil out of range.
    public static func addMonths(_ days: Int, _ months: Int) -> Int? {
        let date = civil(days)
        let total = date.year * 12 + date.month - 1 + months
        let year = total >= 0 ? total / 12 : (total - 11) / 12
        let month = total - year * 12 + 1
        guard year >= -4714, year < 5_874_898 else { return nil }
        return daysFromCivil(year, month, min(date.day, Calendar.days(inMonth: month, of: year)))
    }

    /// Adds an interval to a timestamp without zone: months, then days, then microseconds.
    public static func add(_ timestamp: Int64, _ interval: Interval) throws(SQLError) -> Int64 {
        guard timestamp != infinity, timestamp != negativeInfinity else { return timestamp }
        var (days, time) = split(timestamp)
        if interval.months != 0 {
            guard let moved = addMonths(days, Int(interval.months)) else { throw timestampOutOfRange }
            days = moved
        }
        days += Int(interval.days)
        guard days > -1 << 40, days < 1 << 40 else { throw timestampOutOfRange }
        let total = Int128(days) * Int128(microsecondsPerDay) + Int128(time) + Int128(interval.microseconds)
        guard let result = Int64(exactly: total), isInRange(result) else { throw timestampOutOfRange }
        time = result
        return time
    }

    /// Adds an interval to a timestamp with zone: months and days by the zone's clock, the rest by the instant.
    public static func add(
        _ instant: Int64, _ interval: Interval, in zone: SessionTimeZone
    ) throws(SQLError) -> Int64 {
        guard instant != infinity, instant != negativeInfinity else { return instant }
        var result = instant
        if interval.months != 0 || interval.days != 0 {
            let local = zone.local(atUTC: instant)
            let moved = try add(local, Interval(months: interval.months, days: interval.days))
            result = zone.utc(atLocal: moved)
        }
        let (sum, overflow) = result.addingReportingOverflow(interval.microseconds)
        guard !overflow, isInRange(sum) else { throw timestampOutOfRange }
        return sum
    }

    public static var timestampOutOfRange: SQLError { SQLError(.datetimeFieldOverflow, "timestamp out of range") }
    public static var dateOutOfRange: SQLError { SQLError(.datetimeFieldOverflow, "date out of range") }
    public static var intervalOutOfRange: SQLError { SQLError(.datetimeFieldOverflow, "interval out of range") }
}

extension Interval {
    /// Adds the parts.
    public func adding(_ other: Interval) throws(SQLError) -> Interval {
        let (m, o1) = months.addingReportingOverflow(other.months)
        let (d, o2) = days.addingReportingOverflow(other.days)
        let (t, o3) = microseconds.addingReportingOverflow(other.microseconds)
        if o1 || o2 || o3 { throw Calendar.intervalOutOfRange }
        return Interval(months: m, days: d, microseconds: t)
    }

    /// Changes the sign of every part.
    public func negated() throws(SQLError) -> Interval {
        guard months != .min, days != .min, microseconds != .min else { throw Calendar.intervalOutOfRange }
        return Interval(months: -months, days: -days, microseconds: -microseconds)
    }

    /// Multiplies, letting fractions of months fall to days and of days to time, as PostgreSQL's interval_mul.
    public func multiplied(by factor: Double) throws(SQLError) -> Interval {
        try scaled { $0 * factor }
    }

    /// Divides, as PostgreSQL's interval_div.
    public func divided(by divisor: Double) throws(SQLError) -> Interval {
        if divisor == 0 { throw SQLError(.divisionByZero, "division by zero") }
        return try scaled { $0 / divisor }
    }

    private func scaled(_ scale: (Double) -> Double) throws(SQLError) -> Interval {
        let monthProduct = scale(Double(months))
        let dayProduct = scale(Double(days))
        guard let wholeMonths = Int32(exactlyTruncating: monthProduct),
            let wholeDays = Int32(exactlyTruncating: dayProduct)
        else { throw Calendar.intervalOutOfRange }
        // Fractional months are spread over 30 days each; rounding to microseconds hides floating-point noise.
        var monthDays = Interval.roundedToMicro((monthProduct - Double(wholeMonths)) * 30)
        var seconds = Interval.roundedToMicro(
            (dayProduct - Double(wholeDays) + monthDays - monthDays.rounded(.towardZero)) * 86_400)
        var resultDays = Int64(wholeDays)
        if abs(seconds) >= 86_400 {
            resultDays += Int64(seconds / 86_400)
            seconds -= Double(Int64(seconds / 86_400)) * 86_400
        }
        monthDays = monthDays.rounded(.towardZero)
        resultDays += Int64(monthDays)
        let time = (scale(Double(microseconds)) + seconds * 1_000_000).rounded(.toNearestOrEven)
        guard let finalDays = Int32(exactly: resultDays), time.isFinite, abs(time) < 9.223372036854775e18 else {
            throw Calendar.intervalOutOfRange
        }
        return Interval(months: wholeMonths, days: finalDays, microseconds: Int64(time))
    }

    private static func roundedToMicro(_ value: Double) -> Double {
        (value * 1_000_000).rounded(.toNearestOrEven) / 1_000_000
    }
}

extension Int32 {
    /// The whole part of a double; nil when it is out of range or not a number.
    init?(exactlyTruncating value: Double) {
        guard value.isFinite, value > -2_147_483_649, value < 2_147_483_648 else { return nil }
        self = Int32(value)
    }
}
