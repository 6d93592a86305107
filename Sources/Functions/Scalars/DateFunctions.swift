// The clock, ages, constructors of dates and times, and what DuckDB adds.
import Columns
import Diagnostics

enum DateFunctions {
    static let all: [Overload] = clocks + ages + constructors + adjustments + duck

    // MARK: Clocks

    private static let clocks: [Overload] =
        ["now", "transaction_timestamp", "current_timestamp", "get_current_timestamp"].map { name in
            Overload(name, [SQLType](), .timestamptz, volatility: .stable, canFail: false) {
                (c, _, rows) throws(SQLError) in
                constant(.timestamptz, c.transactionTime, rows)
            }
        }
        + ["current_date", "today"].map { name in
            Overload(name, [SQLType](), .date, volatility: .stable, canFail: false) { (c, _, rows) throws(SQLError) in
                constant(.date, Int64(Calendar.split(c.timeZone.local(atUTC: c.transactionTime)).days), rows)
            }
        }
        + [
            Overload("localtime", [SQLType](), .time, volatility: .stable, canFail: false) {
                (c, _, rows) throws(SQLError) in
                constant(.time, Calendar.split(c.timeZone.local(atUTC: c.transactionTime)).time, rows)
            },
            Overload("current_time", [SQLType](), .system(.timetz), volatility: .stable, canFail: false) {
                (c, _, rows) throws(SQLError) in
                let local = c.timeZone.local(atUTC: c.transactionTime)
                let offset = Int32(truncatingIfNeeded: (local &- c.transactionTime) / 1_000_000)
                return constant(
                    .system(.timetz), ZonedTime(time: Calendar.split(local).time, offset: offset).packed, rows)
            },
            Overload("statement_timestamp", [SQLType](), .timestamptz, volatility: .stable, canFail: false) {
                (c, _, rows) throws(SQLError) in constant(.timestamptz, c.statementTime, rows)
            },
            Overload("localtimestamp", [SQLType](), .timestamp, volatility: .stable, canFail: false) {
                (c, _, rows) throws(SQLError) in
                constant(.timestamp, c.timeZone.local(atUTC: c.transactionTime), rows)
            },
            Overload("clock_timestamp", [SQLType](), .timestamptz, volatility: .volatile, canFail: false) {
                (_, _, rows) throws(SQLError) in constant(.timestamptz, SystemClock.microseconds(), rows)
            },
        ]

    private static func constant(_ type: SQLType, _ value: Int64, _ rows: Int) -> Column {
        Column.constant(Scalar(type, .int(value)), count: rows)
    }

    // MARK: Ages

    private static let ages: [Overload] = [
        Overload(
            "age", [.timestamp, .timestamp], .interval,
            Rowwise.binary(.interval) {
                (a: Int64, b: Int64) throws(SQLError) -> Interval in try age(a, b)
            }),
        Overload("age", [.timestamptz, .timestamptz], .interval, volatility: .stable) { (c, a, rows) throws(SQLError) in
            let zone = c.timeZone
            return try Loops.binaryThrowing(a[0], a[1], rows, .interval) {
                (x: Int64, y: Int64) throws(SQLError) -> Interval in
                try age(zone.local(atUTC: x), zone.local(atUTC: y))
            }
        },
        Overload("age", [.timestamp], .interval, volatility: .stable) { (c, a, rows) throws(SQLError) in
            let midnight = today(c)
            return try Loops.unaryThrowing(a[0], rows, .interval) { (x: Int64) throws(SQLError) -> Interval in
                try age(midnight, x)
            }
        },
        Overload("age", [.timestamptz], .interval, volatility: .stable) { (c, a, rows) throws(SQLError) in
            let (midnight, zone) = (today(c), c.timeZone)
            return try Loops.unaryThrowing(a[0], rows, .interval) { (x: Int64) throws(SQLError) -> Interval in
                try age(midnight, zone.local(atUTC: x))
            }
        },
    ]

    private static func today(_ context: FunctionContext) -> Int64 {
        DateTrunc.truncate(context.timeZone.local(atUTC: context.transactionTime), .day)
    }

    /// The difference in years, months, days and time, as a calendar shows it (timestamp_age).
    static func age(_ a: Int64, _ b: Int64) throws(SQLError) -> Interval {
        if DateOperators.isInfinite(a) || DateOperators.isInfinite(b) { throw Calendar.intervalOutOfRange }
        let isNegative = a < b
        let (later, earlier) = isNegative ? (b, a) : (a, b)
        let (x, y) = (Calendar.split(later), Calendar.split(earlier))
        let (first, second) = (Calendar.civil(x.days), Calendar.civil(y.days))
        var time = x.time - y.time
        var days = first.day - second.day
        var months = (first.year - second.year) * 12 + first.month - second.month
        if time < 0 {
            time += Calendar.microsecondsPerDay
            days -= 1
        }
        if days < 0 {
            // The month that the earlier side lies in lends its days.
            days += Calendar.days(inMonth: second.month, of: second.year)
            months -= 1
        }
        let result = Interval(
            months: Int32(truncatingIfNeeded: months), days: Int32(truncatingIfNeeded: days), microseconds: time)
        return isNegative ? try result.negated() : result
    }

    // MARK: Constructors

    private static func two(_ value: Int) -> String { value < 10 && value >= 0 ? "0\(value)" : "\(value)" }

    private static func day(_ year: Int32, _ month: Int32, _ day: Int32) throws(SQLError) -> Int {
        let astronomical = year < 0 ? Int(year) + 1 : Int(year)
        guard year != 0, year >= -4713, year < 5_874_898, month >= 1, month <= 12, day >= 1,
            Int(day) <= Calendar.days(inMonth: Int(month), of: astronomical)
        else {
            throw SQLError(
                .datetimeFieldOverflow,
                "date field value out of range: \(year)-\(two(Int(month)))-\(two(Int(day)))")
        }
        return Calendar.daysFromCivil(astronomical, Int(month), Int(day))
    }

    private static func time(_ hour: Int32, _ minute: Int32, _ second: Double) throws(SQLError) -> Int64 {
        let micros = (second * 1_000_000).rounded(.toNearestOrEven)
        guard hour >= 0, hour <= 24, minute >= 0, minute < 60, second >= 0, second <= 60, !micros.isNaN,
            hour < 24 || (minute == 0 && micros == 0)
        else {
            let shown = Int(exactly: second).map(two) ?? "\(second)"
            throw SQLError(
                .datetimeFieldOverflow, "time field value out of range: \(hour):\(two(Int(minute))):\(shown)")
        }
        return (Int64(hour) * 60 + Int64(minute)) * Calendar.microsecondsPerMinute + Int64(micros)
    }

    /// Half away from zero to so many digits of a second: the casts to time(n) and interval(n).
    private static func rounded(_ microseconds: Int64, _ digits: Int32) -> Int64 {
        var unit: Int64 = 1
        for _ in max(0, min(digits, 6))..<6 { unit *= 10 }
        let (raised, overflow) = microseconds.addingReportingOverflow(microseconds < 0 ? -(unit / 2) : unit / 2)
        return overflow ? microseconds : raised / unit * unit
    }

    private static let constructors: [Overload] = [
        Overload("time", [.time, .int4], .time, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.binary(a[0], a[1], rows, .time) { (x: Int64, n: Int32) -> Int64 in rounded(x, n) }
        },
        Overload("interval", [.interval, .int4], .interval, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.binary(a[0], a[1], rows, .interval) { (x: Interval, n: Int32) -> Interval in
                Interval(months: x.months, days: x.days, microseconds: rounded(x.microseconds, n))
            }
        },
        Overload("make_date", [.int4, .int4, .int4], .date) { (_, a, rows) throws(SQLError) in
            let (y, m, d) = (Lane(a[0], Int32.self), Lane(a[1], Int32.self), Lane(a[2], Int32.self))
            return try each(a, rows, .date) { (row) throws(SQLError) -> Int32 in
                Int32(truncatingIfNeeded: try day(y[row], m[row], d[row]))
            }
        },
        Overload("make_time", [.int4, .int4, .float8], .time) { (_, a, rows) throws(SQLError) in
            let (h, m, s) = (Lane(a[0], Int32.self), Lane(a[1], Int32.self), Lane(a[2], Double.self))
            return try each(a, rows, .time) { (row) throws(SQLError) -> Int64 in try time(h[row], m[row], s[row]) }
        },
        timestamp("make_timestamp", .timestamp), timestamp("make_timestamptz", .timestamptz),
        Overload(
            "make_interval", [.int4, .int4, .int4, .int4, .int4, .int4, .float8], .interval, optional: 7,
            makeInterval),
        Overload(
            "to_timestamp", [.float8], .timestamptz,
            Rowwise.unary(.timestamptz) {
                (x: Double) throws(SQLError) -> Int64 in
                if x.isInfinite { return x > 0 ? Calendar.infinity : Calendar.negativeInfinity }
                let micros = (x * 1_000_000).rounded(.toNearestOrEven)
                guard let result = Int64(exactly: micros), Calendar.isInRange(result) else {
                    throw SQLError(.datetimeFieldOverflow, "timestamp out of range: \"\(x)\"")
                }
                return result
            }),
    ]

    private static func each<R: BitwiseCopyable>(
        _ a: [Column], _ rows: Int, _ type: SQLType, _ body: (Int) throws(SQLError) -> R
    ) throws(SQLError) -> Column {
        let out = Buffer(count: max(1, rows), of: R.self)
        let validity = Loops.validity(a, rows)
        if validity != nil { out.fill(0) }
        let o = out.pointer(R.self)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in o[row] = try body(row) }
        return Column(type, count: rows, values: out, validity: validity)
    }

    private static func timestamp(_ name: String, _ type: SQLType) -> Overload {
        Overload(
            name, [.int4, .int4, .int4, .int4, .int4, .float8] + (type == .timestamptz ? [.text] : []), type,
            optional: type == .timestamptz ? 1 : 0, volatility: type == .timestamptz ? .stable : .immutable
        ) { (context, a, rows) throws(SQLError) in
            let parts = a[0..<5].map { Lane($0, Int32.self) }
            let seconds = Lane(a[5], Double.self)
            let zones = a.count > 6 ? Lane(a[6], StringView.self) : nil
            return try each(a, rows, type) { (row) throws(SQLError) -> Int64 in
                let days = try day(parts[0][row], parts[1][row], parts[2][row])
                let micros = try time(parts[3][row], parts[4][row], seconds[row])
                guard let local = Calendar.join(days, micros) else { throw Calendar.timestampOutOfRange }
                if type == .timestamp { return local }
                guard let zones else { return context.timeZone.utc(atLocal: local) }
                return try eastern(zones[row].string).utc(atLocal: local)
            }
        }
    }

    /// A bare offset counts eastwards here, unlike AT TIME ZONE's.
    private static func eastern(_ name: String) throws(SQLError) -> SessionTimeZone {
        if name.hasPrefix("+") { return try SessionTimeZone.named("-" + name.dropFirst()) }
        if name.hasPrefix("-") { return try SessionTimeZone.named("+" + name.dropFirst()) }
        return try SessionTimeZone.named(name)
    }

    private static let makeInterval: Kernel = { (_, a, rows) throws(SQLError) in
        let parts = a.prefix(6).map { Lane($0, Int32.self) }
        let seconds = a.count > 6 ? Lane(a[6], Double.self) : nil
        guard !a.isEmpty else { return Column.constant(Scalar(.interval, .interval(Interval())), count: rows) }
        return try each(a, rows, .interval) { (row) throws(SQLError) -> Interval in
            func part(_ index: Int) -> Int64 { index < parts.count ? Int64(parts[index][row]) : 0 }
            let micros = Int128(part(4)) * 3_600_000_000 + Int128(part(5)) * 60_000_000
            let fraction = ((seconds.map { $0[row] } ?? 0) * 1_000_000).rounded(.toNearestOrEven)
            guard let months = Int32(exactly: part(0) * 12 + part(1)),
                let days = Int32(exactly: part(2) * 7 + part(3)), let rest = Int64(exactly: fraction),
                let total = Int64(exactly: micros + Int128(rest))
            else { throw Calendar.intervalOutOfRange }
            return Interval(months: months, days: days, microseconds: total)
        }
    }

    // MARK: Adjustments

    private static let adjustments: [Overload] = [
        Overload(
            "justify_hours", [.interval], .interval,
            Rowwise.unary(.interval) {
                (x: Interval) throws(SQLError) -> Interval in try justifyHours(x)
            }),
        Overload(
            "justify_days", [.interval], .interval,
            Rowwise.unary(.interval) {
                (x: Interval) throws(SQLError) -> Interval in try justifyDays(x)
            }),
        Overload(
            "justify_interval", [.interval], .interval,
            Rowwise.unary(.interval) {
                (x: Interval) throws(SQLError) -> Interval in try justify(x)
            }),
        Overload("isfinite", [.date], .boolean, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .boolean) { (x: Int32) -> UInt8 in DateOperators.isInfinite(x) ? 0 : 1 }
        },
        Overload("isfinite", [.timestamp], .boolean, canFail: false, finite),
        Overload("isfinite", [.timestamptz], .boolean, canFail: false, finite),
        Overload("isfinite", [.interval], .boolean, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.unary(a[0], rows, .boolean) { (_: Interval) -> UInt8 in 1 }
        },
    ]

    private static let finite: Kernel = { (_, a, rows) throws(SQLError) in
        Loops.unary(a[0], rows, .boolean) { (x: Int64) -> UInt8 in DateOperators.isInfinite(x) ? 0 : 1 }
    }

    private static func justifyHours(_ x: Interval) throws(SQLError) -> Interval {
        let whole = x.microseconds / Calendar.microsecondsPerDay
        var time = x.microseconds - whole * Calendar.microsecondsPerDay
        var days = Int64(x.days) + whole
        if days > 0, time < 0 {
            time += Calendar.microsecondsPerDay
            days -= 1
        } else if days < 0, time > 0 {
            time -= Calendar.microsecondsPerDay
            days += 1
        }
        guard let result = Int32(exactly: days) else { throw Calendar.intervalOutOfRange }
        return Interval(months: x.months, days: result, microseconds: time)
    }

    private static func justifyDays(_ x: Interval) throws(SQLError) -> Interval {
        let whole = x.days / 30
        var days = x.days - whole * 30
        var months = Int64(x.months) + Int64(whole)
        if months > 0, days < 0 {
            days += 30
            months -= 1
        } else if months < 0, days > 0 {
            days -= 30
            months += 1
        }
        guard let result = Int32(exactly: months) else { throw Calendar.intervalOutOfRange }
        return Interval(months: result, days: days, microseconds: x.microseconds)
    }

    private static func justify(_ x: Interval) throws(SQLError) -> Interval {
        var result = x
        if (result.days > 0 && result.microseconds > 0) || (result.days < 0 && result.microseconds < 0) {
            let whole = result.microseconds / Calendar.microsecondsPerDay
            guard let days = Int32(exactly: Int64(result.days) + whole) else { throw Calendar.intervalOutOfRange }
            result.days = days
            result.microseconds -= whole * Calendar.microsecondsPerDay
        }
        let whole = result.microseconds / Calendar.microsecondsPerDay
        result.microseconds -= whole * Calendar.microsecondsPerDay
        var days = Int64(result.days) + whole
        let wholeMonths = days / 30
        days -= wholeMonths * 30
        var months = Int64(result.months) + wholeMonths
        if months > 0, days < 0 || (days == 0 && result.microseconds < 0) {
            days += 30
            months -= 1
        } else if months < 0, days > 0 || (days == 0 && result.microseconds > 0) {
            days -= 30
            months += 1
        }
        if days > 0, result.microseconds < 0 {
            result.microseconds += Calendar.microsecondsPerDay
            days -= 1
        } else if days < 0, result.microseconds > 0 {
            result.microseconds -= Calendar.microsecondsPerDay
            days += 1
        }
        guard let m = Int32(exactly: months) else { throw Calendar.intervalOutOfRange }
        return Interval(months: m, days: Int32(truncatingIfNeeded: days), microseconds: result.microseconds)
    }

    // MARK: DuckDB

    private static let duck: [Overload] =
        ["date_diff", "datediff"].flatMap { name in
            [
                Overload(name, [.text, .timestamp, .timestamp], .int8, difference),
                Overload(name, [.text, .date, .date], .int8) { (context, a, rows) throws(SQLError) in
                    let wide = try a[1...].map { (column) throws(SQLError) -> Column in
                        try Loops.unaryThrowing(column, rows, .timestamp) { (x: Int32) throws(SQLError) -> Int64 in
                            try CastDates.timestamp(x)
                        }
                    }
                    return try difference(context, [a[0]] + wide, rows)
                },
            ]
        } + [
            Overload(
                "last_day", [.date], .date,
                Rowwise.unary(.date) { (x: Int32) throws(SQLError) -> Int32 in
                    if DateOperators.isInfinite(x) { return x }
                    let date = Calendar.civil(Int(x))
                    return x - Int32(date.day) + Int32(Calendar.days(inMonth: date.month, of: date.year))
                }),
            Overload(
                "monthname", [.date], .text,
                TextKernels.from { (x: Int32, out) throws(SQLError) in
                    out.append(contentsOf: CalendarNames.months[Calendar.civil(Int(x)).month - 1].utf8)
                }),
            Overload(
                "dayname", [.date], .text,
                TextKernels.from { (x: Int32, out) throws(SQLError) in
                    out.append(contentsOf: CalendarNames.weekdays[Calendar.weekday(Int(x))].utf8)
                }),
        ]

    /// How many boundaries of the unit lie between two timestamps.
    private static let difference: Kernel = { (_, a, rows) throws(SQLError) in
        let (names, x, y) = (Lane(a[0], StringView.self), Lane(a[1], Int64.self), Lane(a[2], Int64.self))
        return try each(a, rows, .int8) { (row) throws(SQLError) -> Int64 in
            let name = names[row].string
            guard let part = DatePart(name: name) else {
                throw DatePartFunctions.unknown(name, .timestamp, isKnown: false)
            }
            let (first, second) = (try ordinal(x[row], part, name), try ordinal(y[row], part, name))
            return second - first
        }
    }

    private static func ordinal(_ timestamp: Int64, _ part: DatePart, _ name: String) throws(SQLError) -> Int64 {
        if DateOperators.isInfinite(timestamp) { throw Calendar.timestampOutOfRange }
        let (days, time) = Calendar.split(timestamp)
        let date = Calendar.civil(days)
        let dayMicros = Int64(days)
        switch part {
        case .microseconds: return timestamp
        case .milliseconds: return dayMicros * 86_400_000 + time / 1000
        case .second, .epoch: return dayMicros * 86_400 + time / 1_000_000
        case .minute: return dayMicros * 1440 + time / Calendar.microsecondsPerMinute
        case .hour: return dayMicros * 24 + time / Calendar.microsecondsPerHour
        case .day, .dow, .doy, .isodow: return dayMicros
        case .week: return Int64((days - (Calendar.weekday(days) + 6) % 7 + 3) / 7)
        case .month: return Int64(date.year * 12 + date.month)
        case .quarter: return Int64(date.year * 4 + (date.month - 1) / 3)
        case .year: return Int64(date.year)
        case .isoyear: return Int64(Calendar.isoWeek(days).year)
        case .decade: return Int64(date.year / 10)
        case .century: return Int64(date.year / 100)
        case .millennium: return Int64(date.year / 1000)
        default: throw DatePartFunctions.unknown(name, .timestamp, isKnown: true)
        }
    }
}

/// English names of months and days.
enum CalendarNames {
    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
}
