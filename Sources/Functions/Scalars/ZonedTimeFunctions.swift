// Times with a zone: arithmetic, other zones, together with dates.
import Columns
import Diagnostics

enum ZonedTimeFunctions {
    private static let timetz = SQLType.system(.timetz)

    private static func date(_ days: Int32, _ packed: Int64) throws(SQLError) -> Int64 {
        let start = try CastDates.timestamp(days)
        if DateOperators.isInfinite(start) { return start }
        return start &+ ZonedTime(packed: packed).utc
    }

    static let operators: [Overload] = [
        Overload(
            "+", [timetz, .interval], timetz,
            Rowwise.binary(timetz) { (x: Int64, i: Interval) throws(SQLError) -> Int64 in
                ZonedTime(packed: x).adding(i.microseconds).packed
            }),
        Overload(
            "+", [.interval, timetz], timetz,
            Rowwise.binary(timetz) { (i: Interval, x: Int64) throws(SQLError) -> Int64 in
                ZonedTime(packed: x).adding(i.microseconds).packed
            }),
        Overload(
            "-", [timetz, .interval], timetz,
            Rowwise.binary(timetz) { (x: Int64, i: Interval) throws(SQLError) -> Int64 in
                ZonedTime(packed: x).adding(-(i.microseconds % Calendar.microsecondsPerDay)).packed
            }),
        Overload(
            "+", [.date, timetz], .timestamptz,
            Rowwise.binary(.timestamptz) { (d: Int32, x: Int64) throws(SQLError) -> Int64 in try date(d, x) }),
        Overload(
            "+", [timetz, .date], .timestamptz,
            Rowwise.binary(.timestamptz) { (x: Int64, d: Int32) throws(SQLError) -> Int64 in try date(d, x) }),
    ]

    static let functions: [Overload] = [
        Overload(
            "timetz", [timetz, .int4], timetz,
            Rowwise.binary(timetz) { (x: Int64, digits: Int32) throws(SQLError) -> Int64 in
                var value = ZonedTime(packed: x)
                var unit: Int64 = 1
                for _ in min(max(Int(digits), 0), 6)..<6 { unit *= 10 }
                value.time = (value.time + unit / 2) / unit * unit
                return value.packed
            }),
        Overload("timezone", [.text, timetz], timetz, volatility: .stable) { (context, a, rows) throws(SQLError) in
            let now = context.transactionTime
            return try Loops.binaryThrowing(a[0], a[1], rows, timetz) {
                (name: StringView, x: Int64) throws(SQLError) -> Int64 in
                let zone = try SessionTimeZone.named(name.string)
                return ZonedTime(packed: x).moved(to: Int32(truncatingIfNeeded: zone.offset(atUTC: now))).packed
            }
        },
        Overload(
            "timezone", [.interval, timetz], timetz,
            Rowwise.binary(timetz) { (zone: Interval, x: Int64) throws(SQLError) -> Int64 in
                guard zone.months == 0, zone.days == 0 else {
                    throw SQLError(.invalidParameterValue, "interval time zone must not include months or days")
                }
                return ZonedTime(packed: x).moved(to: Int32(truncatingIfNeeded: zone.microseconds / 1_000_000)).packed
            }),
    ]
}
