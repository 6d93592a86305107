// Casts between dates, times, timestamps and intervals. Hot.
import Columns
import Diagnostics

enum CastDates {
    static func kernel(_ from: SQLType, _ to: SQLType) -> Kernel? {
        switch (from, to) {
        case (.date, .timestamp):
            return Rowwise.unary(to) { (x: Int32) throws(SQLError) -> Int64 in try timestamp(x) }
        case (.date, .timestamptz):
            return { (context, a, n) throws(SQLError) in
                let zone = context.timeZone
                return try Loops.unaryThrowing(a[0], n, to) { (x: Int32) throws(SQLError) -> Int64 in
                    zone.utc(atLocal: try timestamp(x))
                }
            }
        case (.timestamp, .timestamptz):
            return zoned(to) { $0.utc(atLocal: $1) }
        case (.timestamptz, .timestamp):
            return zoned(to) { $0.local(atUTC: $1) }
        case (.timestamp, .date):
            return { (_, a, n) throws(SQLError) in Loops.unary(a[0], n, to) { (x: Int64) -> Int32 in date(x) } }
        case (.timestamptz, .date):
            return { (context, a, n) throws(SQLError) in
                let zone = context.timeZone
                return Loops.unary(a[0], n, to) { (x: Int64) -> Int32 in date(zone.local(atUTC: x)) }
            }
        case (.timestamp, .time):
            return { (_, a, n) throws(SQLError) in
                finite(Loops.unary(a[0], n, to) { (x: Int64) -> Int64 in Calendar.split(x).time }, a[0], n)
            }
        case (.timestamptz, .time):
            let times = zoned(to) { Calendar.split($0.local(atUTC: $1)).time }
            return { (context, a, n) throws(SQLError) in finite(try times(context, a, n), a[0], n) }
        case (.time, .interval):
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: Int64) -> Interval in Interval(microseconds: x) }
            }
        case (.interval, .time):
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: Interval) -> Int64 in Calendar.split(x.microseconds).time }
            }
        case (.time, .system(.timetz)):
            return { (context, a, n) throws(SQLError) in
                let (zone, now) = (context.timeZone, context.transactionTime)
                let days = Int64(Calendar.split(zone.local(atUTC: now)).days)
                return Loops.unary(a[0], n, to) { (x: Int64) -> Int64 in
                    let local = days &* Calendar.microsecondsPerDay &+ x
                    let offset = Int32(truncatingIfNeeded: (local &- zone.utc(atLocal: local)) / 1_000_000)
                    return ZonedTime(time: x, offset: offset).packed
                }
            }
        case (.timestamptz, .system(.timetz)):
            let times = zoned(to) { (zone, value) in
                let local = zone.local(atUTC: value)
                return ZonedTime(
                    time: Calendar.split(local).time, offset: Int32(truncatingIfNeeded: (local &- value) / 1_000_000)
                ).packed
            }
            return { (context, a, n) throws(SQLError) in finite(try times(context, a, n), a[0], n) }
        case (.system(.timetz), .time):
            return { (_, a, n) throws(SQLError) in
                Loops.unary(a[0], n, to) { (x: Int64) -> Int64 in ZonedTime(packed: x).time }
            }
        case (.system(.cidr), .system(.inet)):
            return { (_, a, _) throws(SQLError) in a[0].retyped(to) }
        case (.system(.inet), .system(.cidr)):
            return NetworkFunctions.map(to) { (x) throws(SQLError) in
                NetworkAddress(isIPv6: x.isIPv6, address: x.network, bits: x.bits)
            }
        default: return nil
        }
    }

    /// Infinite timestamps have no time of day: NULL.
    private static func finite(_ times: Column, _ timestamps: Column, _ rows: Int) -> Column {
        let lane = Lane(timestamps, Int64.self)
        func isInfinite(_ row: Int) -> Bool {
            lane[row] == Calendar.infinity || lane[row] == Calendar.negativeInfinity
        }
        guard (0..<rows).contains(where: isInfinite) else { return times }
        let bits = Bitmap.make(rows, all: true)
        for row in 0..<rows where isInfinite(row) { Bitmap.clear(bits.pointer(UInt64.self), row) }
        return Column(times.type, count: rows, values: times.values, validity: Bitmap.and(times.validity, bits, rows))
    }

    private static func zoned(_ to: SQLType, _ convert: @escaping @Sendable (SessionTimeZone, Int64) -> Int64) -> Kernel
    {
        { (context, a, n) throws(SQLError) in
            let zone = context.timeZone
            return Loops.unary(a[0], n, to) { (x: Int64) -> Int64 in convert(zone, x) }
        }
    }

    /// Midnight of a day.
    @inline(__always)
    static func timestamp(_ day: Int32) throws(SQLError) -> Int64 {
        if day == Calendar.dateInfinity { return Calendar.infinity }
        if day == Calendar.dateNegativeInfinity { return Calendar.negativeInfinity }
        guard let result = Calendar.join(Int(day), 0) else {
            throw SQLError(.datetimeFieldOverflow, "date out of range for timestamp")
        }
        return result
    }

    /// The day of a timestamp.
    @inline(__always)
    static func date(_ timestamp: Int64) -> Int32 {
        if timestamp == Calendar.infinity { return Calendar.dateInfinity }
        if timestamp == Calendar.negativeInfinity { return Calendar.dateNegativeInfinity }
        return Int32(truncatingIfNeeded: Calendar.split(timestamp).days)
    }
}
