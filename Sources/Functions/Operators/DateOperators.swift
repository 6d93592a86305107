// + - * / on dates, times, timestamps and intervals, and AT TIME ZONE. Hot.
import Columns
import Diagnostics

enum DateOperators {
    static let all: [Overload] = dates + timestamps + times + intervals

    private static let dates: [Overload] = [
        Overload(
            "+", [.date, .int4], .date,
            Rowwise.binary(.date) { (d: Int32, n: Int32) throws(SQLError) -> Int32 in
                try day(d, Int64(n))
            }),
        Overload(
            "+", [.int4, .date], .date,
            Rowwise.binary(.date) { (n: Int32, d: Int32) throws(SQLError) -> Int32 in
                try day(d, Int64(n))
            }),
        Overload(
            "-", [.date, .int4], .date,
            Rowwise.binary(.date) { (d: Int32, n: Int32) throws(SQLError) -> Int32 in
                try day(d, -Int64(n))
            }),
        Overload(
            "-", [.date, .date], .int4,
            Rowwise.binary(.int4) { (a: Int32, b: Int32) throws(SQLError) -> Int32 in
                if isInfinite(a) || isInfinite(b) {
                    throw SQLError(.datetimeFieldOverflow, "cannot subtract infinite dates")
                }
                return a &- b
            }),
        Overload(
            "+", [.date, .interval], .timestamp,
            Rowwise.binary(.timestamp) {
                (d: Int32, i: Interval) throws(SQLError) -> Int64 in try Calendar.add(CastDates.timestamp(d), i)
            }),
        Overload(
            "+", [.interval, .date], .timestamp,
            Rowwise.binary(.timestamp) {
                (i: Interval, d: Int32) throws(SQLError) -> Int64 in try Calendar.add(CastDates.timestamp(d), i)
            }),
        Overload(
            "-", [.date, .interval], .timestamp,
            Rowwise.binary(.timestamp) {
                (d: Int32, i: Interval) throws(SQLError) -> Int64 in
                try Calendar.add(CastDates.timestamp(d), i.negated())
            }),
        Overload(
            "+", [.date, .time], .timestamp,
            Rowwise.binary(.timestamp) {
                (d: Int32, t: Int64) throws(SQLError) -> Int64 in
                try Calendar.add(CastDates.timestamp(d), Interval(microseconds: t))
            }),
        Overload(
            "+", [.time, .date], .timestamp,
            Rowwise.binary(.timestamp) {
                (t: Int64, d: Int32) throws(SQLError) -> Int64 in
                try Calendar.add(CastDates.timestamp(d), Interval(microseconds: t))
            }),
    ]

    private static let timestamps: [Overload] = [
        Overload(
            "+", [.timestamp, .interval], .timestamp,
            Rowwise.binary(.timestamp) {
                (t: Int64, i: Interval) throws(SQLError) -> Int64 in try Calendar.add(t, i)
            }),
        Overload(
            "+", [.interval, .timestamp], .timestamp,
            Rowwise.binary(.timestamp) {
                (i: Interval, t: Int64) throws(SQLError) -> Int64 in try Calendar.add(t, i)
            }),
        Overload(
            "-", [.timestamp, .interval], .timestamp,
            Rowwise.binary(.timestamp) {
                (t: Int64, i: Interval) throws(SQLError) -> Int64 in try Calendar.add(t, i.negated())
            }),
        Overload("-", [.timestamp, .timestamp], .interval, difference),
        Overload("-", [.timestamptz, .timestamptz], .interval, difference),
        Overload("+", [.timestamptz, .interval], .timestamptz, volatility: .stable, zoned(0, 1, isNegated: false)),
        Overload("+", [.interval, .timestamptz], .timestamptz, volatility: .stable, zoned(1, 0, isNegated: false)),
        Overload("-", [.timestamptz, .interval], .timestamptz, volatility: .stable, zoned(0, 1, isNegated: true)),
    ]

    private static let times: [Overload] = [
        Overload(
            "+", [.time, .interval], .time, canFail: false,
            Rowwise.binary(.time) {
                (t: Int64, i: Interval) throws(SQLError) -> Int64 in
                wrapped(t &+ i.microseconds % Calendar.microsecondsPerDay)
            }),
        Overload(
            "+", [.interval, .time], .time, canFail: false,
            Rowwise.binary(.time) {
                (i: Interval, t: Int64) throws(SQLError) -> Int64 in
                wrapped(t &+ i.microseconds % Calendar.microsecondsPerDay)
            }),
        Overload(
            "-", [.time, .interval], .time, canFail: false,
            Rowwise.binary(.time) {
                (t: Int64, i: Interval) throws(SQLError) -> Int64 in
                wrapped(t &- i.microseconds % Calendar.microsecondsPerDay)
            }),
        Overload(
            "-", [.time, .time], .interval, canFail: false,
            Rowwise.binary(.interval) {
                (a: Int64, b: Int64) throws(SQLError) -> Interval in Interval(microseconds: a &- b)
            }),
    ]

    private static let intervals: [Overload] = [
        Overload(
            "+", [.interval, .interval], .interval,
            Rowwise.binary(.interval) {
                (a: Interval, b: Interval) throws(SQLError) -> Interval in try a.adding(b)
            }),
        Overload(
            "-", [.interval, .interval], .interval,
            Rowwise.binary(.interval) {
                (a: Interval, b: Interval) throws(SQLError) -> Interval in try subtract(a, b)
            }),
        Overload(
            "-", [.interval], .interval,
            Rowwise.unary(.interval) { (a: Interval) throws(SQLError) -> Interval in
                try a.negated()
            }),
        Overload(
            "*", [.interval, .float8], .interval,
            Rowwise.binary(.interval) {
                (a: Interval, f: Double) throws(SQLError) -> Interval in try a.multiplied(by: f)
            }),
        Overload(
            "*", [.float8, .interval], .interval,
            Rowwise.binary(.interval) {
                (f: Double, a: Interval) throws(SQLError) -> Interval in try a.multiplied(by: f)
            }),
        Overload(
            "/", [.interval, .float8], .interval,
            Rowwise.binary(.interval) {
                (a: Interval, f: Double) throws(SQLError) -> Interval in try a.divided(by: f)
            }),
    ]

    // MARK: Pieces

    @inline(__always)
    static func isInfinite(_ day: Int32) -> Bool {
        day == Calendar.dateInfinity || day == Calendar.dateNegativeInfinity
    }

    @inline(__always)
    static func isInfinite(_ instant: Int64) -> Bool {
        instant == Calendar.infinity || instant == Calendar.negativeInfinity
    }

    @inline(__always)
    private static func day(_ day: Int32, _ days: Int64) throws(SQLError) -> Int32 {
        if isInfinite(day) { return day }
        let sum = Int(Int64(day) &+ days)
        guard sum >= Calendar.firstDay, sum < Calendar.endDay else { throw Calendar.dateOutOfRange }
        return Int32(truncatingIfNeeded: sum)
    }

    private static func subtract(_ a: Interval, _ b: Interval) throws(SQLError) -> Interval {
        let (m, o1) = a.months.subtractingReportingOverflow(b.months)
        let (d, o2) = a.days.subtractingReportingOverflow(b.days)
        let (t, o3) = a.microseconds.subtractingReportingOverflow(b.microseconds)
        if o1 || o2 || o3 { throw Calendar.intervalOutOfRange }
        return Interval(months: m, days: d, microseconds: t)
    }

    @inline(__always)
    private static func wrapped(_ time: Int64) -> Int64 {
        let rest = time % Calendar.microsecondsPerDay
        return rest < 0 ? rest &+ Calendar.microsecondsPerDay : rest
    }

    /// Timestamps differ by days and time, never by months.
    private static let difference: Kernel = Rowwise.binary(.interval) {
        (a: Int64, b: Int64) throws(SQLError) -> Interval in try between(a, b)
    }

    static func between(_ a: Int64, _ b: Int64) throws(SQLError) -> Interval {
        if isInfinite(a) || isInfinite(b) {
            throw SQLError(.datetimeFieldOverflow, "cannot subtract infinite timestamps")
        }
        let (span, overflow) = a.subtractingReportingOverflow(b)
        if overflow { throw Calendar.intervalOutOfRange }
        let days = span / Calendar.microsecondsPerDay
        return Interval(
            days: Int32(truncatingIfNeeded: days), microseconds: span &- days &* Calendar.microsecondsPerDay)
    }

    private static func zoned(_ instant: Int, _ interval: Int, isNegated: Bool) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let zone = context.timeZone
            return try Loops.binaryThrowing(a[instant], a[interval], rows, .timestamptz) {
                (t: Int64, i: Interval) throws(SQLError) -> Int64 in
                try Calendar.add(t, isNegated ? i.negated() : i, in: zone)
            }
        }
    }
}

/// AT TIME ZONE: `timezone(zone, value)`.
enum ZoneFunctions {
    static let all: [Overload] = [
        Overload("timezone", [.text, .timestamp], .timestamptz, byName(.timestamptz) { $0.utc(atLocal: $1) }),
        Overload("timezone", [.text, .timestamptz], .timestamp, byName(.timestamp) { $0.local(atUTC: $1) }),
        Overload("timezone", [.interval, .timestamp], .timestamptz, byOffset(.timestamptz, sign: -1)),
        Overload("timezone", [.interval, .timestamptz], .timestamp, byOffset(.timestamp, sign: 1)),
    ]

    private static func byName(
        _ type: SQLType, _ convert: @escaping @Sendable (SessionTimeZone, Int64) -> Int64
    ) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let names = Lane(a[0], StringView.self)
            var last: (view: StringView, zone: SessionTimeZone)?
            let values = Lane(a[1], Int64.self)
            let out = Buffer(count: max(1, rows), of: Int64.self)
            let validity = Loops.validity(a, rows)
            if validity != nil { out.fill(0) }
            let o = out.pointer(Int64.self)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                let view = names[row]
                let zone: SessionTimeZone
                if let last, StringView.equal(last.view, view) {
                    zone = last.zone
                } else {
                    zone = try SessionTimeZone.named(view.string)
                    last = (view, zone)
                }
                o[row] = convert(zone, values[row])
            }
            return Column(type, count: rows, values: out, validity: validity)
        }
    }

    private static func byOffset(_ type: SQLType, sign: Int64) -> Kernel {
        Rowwise.binary(type) { (offset: Interval, value: Int64) throws(SQLError) -> Int64 in
            guard offset.months == 0, offset.days == 0 else {
                throw SQLError(.invalidParameterValue, "interval time zone must not include months or days")
            }
            if DateOperators.isInfinite(value) { return value }
            return value &+ sign &* offset.microseconds
        }
    }
}
