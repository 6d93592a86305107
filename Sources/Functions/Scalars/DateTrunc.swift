// date_trunc and date_bin. Hot.
import Columns
import Diagnostics

enum DateTrunc {
    static let all: [Overload] = [
        Overload("date_trunc", [.text, .timestamp], .timestamp, plain),
        Overload("date_trunc", [.text, .timestamptz], .timestamptz, volatility: .stable, zoned),
        Overload("date_trunc", [.text, .timestamptz, .text], .timestamptz, zonedByName),
        Overload("date_trunc", [.text, .interval], .interval, intervals),
        Overload("date_bin", [.interval, .timestamp, .timestamp], .timestamp, bin(.timestamp)),
        Overload("date_bin", [.interval, .timestamptz, .timestamptz], .timestamptz, bin(.timestamptz)),
    ]

    private static func part(_ view: StringView, _ type: SQLType) throws(SQLError) -> DatePart {
        let name = view.string
        guard let part = DatePart(name: name) else {
            throw DatePartFunctions.unknown(name, type, isKnown: false)
        }
        switch part {
        case .microseconds, .milliseconds, .second, .minute, .hour, .day, .week, .month, .quarter, .year, .decade,
            .century, .millennium:
            return part
        default: throw DatePartFunctions.unknown(name, type, isKnown: false)
        }
    }

    /// Cuts a timestamp to a unit.
    @inline(__always)
    static func truncate(_ timestamp: Int64, _ part: DatePart) -> Int64 {
        if DateOperators.isInfinite(timestamp) { return timestamp }
        switch part {
        case .microseconds: return timestamp
        case .milliseconds: return timestamp &- floorRest(timestamp, 1000)
        case .second: return timestamp &- floorRest(timestamp, Calendar.microsecondsPerSecond)
        case .minute: return timestamp &- floorRest(timestamp, Calendar.microsecondsPerMinute)
        case .hour: return timestamp &- floorRest(timestamp, Calendar.microsecondsPerHour)
        case .day: return timestamp &- floorRest(timestamp, Calendar.microsecondsPerDay)
        default: return Int64(firstDay(Calendar.split(timestamp).days, part)) &* Calendar.microsecondsPerDay
        }
    }

    @inline(__always)
    private static func floorRest(_ value: Int64, _ unit: Int64) -> Int64 {
        let rest = value % unit
        return rest < 0 ? rest &+ unit : rest
    }

    /// The first day of the unit that a day lies in.
    private static func firstDay(_ days: Int, _ part: DatePart) -> Int {
        if part == .week { return days &- (Calendar.weekday(days) &+ 6) % 7 }
        let date = Calendar.civil(days)
        switch part {
        case .month: return days &- date.day &+ 1
        case .quarter: return Calendar.daysFromCivil(date.year, (date.month &- 1) / 3 &* 3 &+ 1, 1)
        case .year: return Calendar.daysFromCivil(date.year, 1, 1)
        case .decade: return Calendar.daysFromCivil(floorDivide(date.year, 10) * 10, 1, 1)
        // Centuries begin with the year 1.
        case .century: return Calendar.daysFromCivil(floorDivide(date.year - 1, 100) * 100 + 1, 1, 1)
        default: return Calendar.daysFromCivil(floorDivide(date.year - 1, 1000) * 1000 + 1, 1, 1)
        }
    }

    private static func floorDivide(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((b - 1 - a) / b) }

    private static let plain: Kernel = { (_, a, rows) throws(SQLError) in
        let names = Lane(a[0], StringView.self)
        if a[0].layout == .constant, rows > 0 {
            let part = try part(names[0], .timestamp)
            return Loops.unary(a[1], rows, .timestamp) { (x: Int64) -> Int64 in truncate(x, part) }
        }
        return try Loops.binaryThrowing(a[0], a[1], rows, .timestamp) {
            (name: StringView, x: Int64) throws(SQLError) -> Int64 in truncate(x, try part(name, .timestamp))
        }
    }

    /// By the zone's clock; units below a day only shift within the same offset.
    private static func truncate(_ instant: Int64, _ part: DatePart, _ zone: SessionTimeZone) -> Int64 {
        if DateOperators.isInfinite(instant) { return instant }
        let offset = Int64(zone.offset(atUTC: instant)) &* 1_000_000
        let local = truncate(instant &+ offset, part)
        switch part {
        case .microseconds, .milliseconds, .second, .minute, .hour: return local &- offset
        default: return zone.utc(atLocal: local)
        }
    }

    private static let zoned: Kernel = { (context, a, rows) throws(SQLError) in
        let zone = context.timeZone
        return try Loops.binaryThrowing(a[0], a[1], rows, .timestamptz) {
            (name: StringView, x: Int64) throws(SQLError) -> Int64 in truncate(x, try part(name, .timestamptz), zone)
        }
    }

    private static let zonedByName: Kernel = { (_, a, rows) throws(SQLError) in
        let (names, values, zones) = (Lane(a[0], StringView.self), Lane(a[1], Int64.self), Lane(a[2], StringView.self))
        let out = Buffer(count: max(1, rows), of: Int64.self)
        let validity = Loops.validity(a, rows)
        if validity != nil { out.fill(0) }
        let o = out.pointer(Int64.self)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let zone = try SessionTimeZone.named(zones[row].string)
            o[row] = truncate(values[row], try part(names[row], .timestamptz), zone)
        }
        return Column(.timestamptz, count: rows, values: out, validity: validity)
    }

    private static let intervals: Kernel = { (_, a, rows) throws(SQLError) in
        try Loops.binaryThrowing(a[0], a[1], rows, .interval) {
            (name: StringView, x: Interval) throws(SQLError) -> Interval in
            var result = x
            let part = try part(name, .interval)
            func cut(months unit: Int32) {
                result.months -= result.months % unit
                (result.days, result.microseconds) = (0, 0)
            }
            func cut(time unit: Int64) { result.microseconds -= result.microseconds % unit }
            switch part {
            case .microseconds: break
            case .milliseconds: cut(time: 1000)
            case .second: cut(time: Calendar.microsecondsPerSecond)
            case .minute: cut(time: Calendar.microsecondsPerMinute)
            case .hour: cut(time: Calendar.microsecondsPerHour)
            case .day: result.microseconds = 0
            case .month: cut(months: 1)
            case .quarter: cut(months: 3)
            case .year: cut(months: 12)
            case .decade: cut(months: 120)
            case .century: cut(months: 1200)
            case .millennium: cut(months: 12000)
            default:
                throw SQLError(
                    .featureNotSupported, "unit \"\(name.string)\" not supported for type interval",
                    detail: part == .week ? "Months usually have fractional weeks." : nil)
            }
            return result
        }
    }

    private static func bin(_ type: SQLType) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (widths, values, origins) = (Lane(a[0], Interval.self), Lane(a[1], Int64.self), Lane(a[2], Int64.self))
            let out = Buffer(count: max(1, rows), of: Int64.self)
            let validity = Loops.validity(a, rows)
            if validity != nil { out.fill(0) }
            let o = out.pointer(Int64.self)
            try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
                o[row] = try bin(widths[row], values[row], origins[row])
            }
            return Column(type, count: rows, values: out, validity: validity)
        }
    }

    private static func bin(_ width: Interval, _ value: Int64, _ origin: Int64) throws(SQLError) -> Int64 {
        if DateOperators.isInfinite(value) { return value }
        if DateOperators.isInfinite(origin) {
            throw SQLError(.datetimeFieldOverflow, "origin out of range")
        }
        guard width.months == 0 else {
            throw SQLError(
                .featureNotSupported, "timestamps cannot be binned into intervals containing months or years")
        }
        let (days, o1) = Int64(width.days).multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
        let (unit, o2) = days.addingReportingOverflow(width.microseconds)
        let (distance, o3) = value.subtractingReportingOverflow(origin)
        if o1 || o2 || o3 { throw Calendar.intervalOutOfRange }
        guard unit > 0 else { throw SQLError(.datetimeFieldOverflow, "stride must be greater than zero") }
        return value &- floorRest(distance, unit)
    }
}
