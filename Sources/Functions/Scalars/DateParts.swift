// extract(), date_part() and date_trunc(): fields of dates, times, timestamps and intervals. Hot.
import Columns
import Diagnostics

/// A field that EXTRACT knows.
enum DatePart: String, CaseIterable, Sendable {
    case century, day, decade, dow, doy, epoch, hour, isodow, isoyear, julian, microseconds, millennium, milliseconds
    case minute, month, quarter, second, timezone
    case timezoneHour = "timezone_hour"
    case timezoneMinute = "timezone_minute"
    case week, year

    private static let names: [String: DatePart] = {
        var table: [String: DatePart] = [:]
        for part in DatePart.allCases {
            table[part.rawValue] = part
            table[part.rawValue + "s"] = part
        }
        let more: [(String, DatePart)] = [
            ("us", .microseconds), ("usec", .microseconds), ("usecs", .microseconds), ("microsecond", .microseconds),
            ("ms", .milliseconds), ("msec", .milliseconds), ("msecs", .milliseconds), ("millisecond", .milliseconds),
            ("s", .second), ("sec", .second), ("secs", .second), ("m", .minute), ("min", .minute), ("mins", .minute),
            ("h", .hour), ("hr", .hour), ("hrs", .hour), ("d", .day), ("w", .week), ("mon", .month), ("mons", .month),
            ("qtr", .quarter), ("y", .year), ("yr", .year), ("yrs", .year), ("dec", .decade), ("decs", .decade),
            ("c", .century), ("cent", .century), ("centuries", .century), ("mil", .millennium),
            ("millennia", .millennium), ("dayofweek", .dow), ("dayofyear", .doy), ("weekday", .dow),
            ("timezone_h", .timezoneHour), ("timezone_m", .timezoneMinute), ("jd", .julian),
        ]
        for (name, part) in more { table[name] = part }
        return table
    }()

    init?(name: String) {
        guard let part = DatePart.names[name.lowercased()] else { return nil }
        self = part
    }

    /// Fractional digits of the value.
    var scale: Int {
        switch self {
        case .second, .epoch: 6
        case .milliseconds: 3
        default: 0
        }
    }

    static func years(_ year: Int, per unit: Int) -> Int64 {
        // Years before Christ count from -1 without a zero; centuries begin with a year 1.
        if unit == 10 { return Int64(year >= 0 ? year / 10 : -((8 - (year - 1)) / 10)) }
        return Int64(year > 0 ? (year + unit - 1) / unit : -((unit - 1 - (year - 1)) / unit))
    }

    /// The value of a timestamp at `scale`; nil when the type has no such field. `offset` is the zone's, in seconds.
    @inline(__always)
    func value(_ days: Int, _ time: Int64, offset: Int64 = 0) -> Int64 {
        switch self {
        case .year:
            let year = Calendar.civil(days).year
            return Int64(year > 0 ? year : year &- 1)
        case .month: return Int64(Calendar.civil(days).month)
        case .day: return Int64(Calendar.civil(days).day)
        case .hour: return time / Calendar.microsecondsPerHour
        case .minute: return time / Calendar.microsecondsPerMinute % 60
        case .second, .milliseconds, .microseconds: return time % Calendar.microsecondsPerMinute
        case .epoch: return Int64(days) &* Calendar.microsecondsPerDay &+ time &- offset &* 1_000_000
        case .dow: return Int64(Calendar.weekday(days))
        case .isodow:
            let day = Calendar.weekday(days)
            return Int64(day == 0 ? 7 : day)
        case .doy: return Int64(Calendar.dayOfYear(days))
        case .quarter: return Int64((Calendar.civil(days).month &- 1) / 3 &+ 1)
        case .week: return Int64(Calendar.isoWeek(days).week)
        case .isoyear:
            let year = Calendar.isoWeek(days).year
            return Int64(year > 0 ? year : year &- 1)
        case .julian: return Int64(days &+ 2_440_588)
        case .decade: return DatePart.years(Calendar.civil(days).year, per: 10)
        case .century: return DatePart.years(Calendar.civil(days).year, per: 100)
        case .millennium: return DatePart.years(Calendar.civil(days).year, per: 1000)
        case .timezone: return offset
        case .timezoneHour: return offset / 3600
        case .timezoneMinute: return offset / 60 % 60
        }
    }

    func value(_ interval: Interval) -> Int64? {
        let (months, time) = (Int64(interval.months), interval.microseconds)
        switch self {
        case .year: return months / 12
        case .month: return months % 12
        case .day: return Int64(interval.days)
        case .hour: return time / Calendar.microsecondsPerHour
        case .minute: return time / Calendar.microsecondsPerMinute % 60
        case .second, .milliseconds, .microseconds: return time % Calendar.microsecondsPerMinute
        case .quarter: return months % 12 / 3 + 1
        case .decade: return months / 120
        case .century: return months / 1200
        case .millennium: return months / 12000
        case .epoch:
            // A year has 365.25 days here, a month 30.
            let years = Int128(months / 12) * 31_557_600_000_000
            let rest = Int128(months % 12) * 30 + Int128(interval.days)
            return Int64(exactly: years + rest * Int128(Calendar.microsecondsPerDay) + Int128(time))
        default: return nil
        }
    }

    /// Whether a type has this field.
    func exists(in type: SQLType) -> Bool {
        switch type {
        case .date:
            switch self {
            case .hour, .minute, .second, .milliseconds, .microseconds, .timezone, .timezoneHour, .timezoneMinute:
                return false
            default: return true
            }
        case .time:
            switch self {
            case .hour, .minute, .second, .milliseconds, .microseconds, .epoch: return true
            default: return false
            }
        case .system(.timetz):
            switch self {
            case .hour, .minute, .second, .milliseconds, .microseconds, .epoch, .timezone, .timezoneHour,
                .timezoneMinute:
                return true
            default: return false
            }
        case .interval: return value(Interval()) != nil
        case .timestamp:
            switch self {
            case .timezone, .timezoneHour, .timezoneMinute, .julian: return false
            default: return true
            }
        default: return self != .julian
        }
    }
}

enum DatePartFunctions {
    private static let types: [SQLType] = [.date, .time, .system(.timetz), .timestamp, .timestamptz, .interval]

    static let all: [Overload] =
        types.flatMap { type in
            [
                Overload("extract", [.type(.text), .type(type)], volatility: volatility(type)) {
                    (call) throws(SQLError) in
                    try extract(call, type)
                },
                Overload("date_part", [.type(.text), .type(type)], volatility: volatility(type)) {
                    (_) throws(SQLError) in
                    // A date has the fields of its midnight here.
                    let settled = type == .date ? .timestamp : type
                    return Binding(arguments: [.text, settled], result: .float8, kernel: general(settled, .float8))
                },
            ]
        } + shorthands

    private static func volatility(_ type: SQLType) -> Volatility { type == .timestamptz ? .stable : .immutable }

    /// year(x) and the like (DuckDB).
    private static let shorthands: [Overload] = [
        ("year", DatePart.year), ("month", .month), ("day", .day), ("hour", .hour), ("minute", .minute),
        ("second", .second), ("quarter", .quarter), ("week", .week), ("weekofyear", .week), ("dayofweek", .dow),
        ("weekday", .dow), ("isodow", .isodow), ("dayofyear", .doy), ("isoyear", .isoyear), ("dayofmonth", .day),
        ("epoch", .epoch), ("century", .century), ("decade", .decade), ("millennium", .millennium),
    ].flatMap { (name: String, part: DatePart) -> [Overload] in
        types.filter { part.exists(in: $0) }.map { type in
            // Fractions of seconds are cut off.
            let divisor: Int64 = part.scale == 6 ? 1_000_000 : 1
            return Overload(name, [type], .int8, volatility: volatility(type)) { (context, a, rows) throws(SQLError) in
                let made = try fixed(part, type, .int8, context, a[0], rows)
                guard divisor != 1 else { return made }
                return Loops.unary(made, rows, .int8) { (x: Int64) -> Int64 in x / divisor }
            }
        }
    }

    static func unknown(_ name: String, _ type: SQLType, isKnown: Bool) -> SQLError {
        SQLError(
            isKnown ? .featureNotSupported : .invalidParameterValue,
            "unit \"\(name)\" not \(isKnown ? "supported" : "recognized") for type \(type.name)")
    }

    private static func part(_ name: String, _ type: SQLType) throws(SQLError) -> DatePart {
        guard let part = DatePart(name: name) else { throw unknown(name, type, isKnown: false) }
        guard part.exists(in: type) else { throw unknown(name, type, isKnown: true) }
        return part
    }

    /// A constant field gives a fixed decimal, which is stored and computed as an integer.
    private static func extract(_ call: Call, _ type: SQLType) throws(SQLError) -> Binding {
        guard case .string(let name)? = call.literal(0)?.value else {
            return Binding(arguments: [.text, type], result: .numeric, kernel: general(type, .numeric))
        }
        let part = try part(name, type)
        let isDays = type == .date && part == .epoch
        let result = SQLType.decimal(precision: 18, scale: isDays ? 0 : part.scale)
        return Binding(arguments: [.text, type], result: result) { (context, a, rows) throws(SQLError) in
            let made = try fixed(part, type, result, context, a[1], rows)
            // The epoch of a date has no fraction.
            return isDays ? Loops.unary(made, rows, result) { (x: Int64) -> Int64 in x / 1_000_000 } : made
        }
    }

    /// Field values as 64-bit integers at the field's scale; infinite values give NULL.
    static func fixed(
        _ part: DatePart, _ type: SQLType, _ result: SQLType, _ context: FunctionContext, _ a: Column, _ rows: Int
    ) throws(SQLError) -> Column {
        switch type {
        case .date:
            let made = days(part, a, rows, result)
            return nulled(made, a, rows, Int32.self)
        case .time:
            return Loops.unary(a, rows, result) { (x: Int64) -> Int64 in part.value(0, x) }
        case .system(.timetz):
            return Loops.unary(a, rows, result) { (x: Int64) -> Int64 in
                let value = ZonedTime(packed: x)
                return part.value(0, value.time, offset: Int64(value.offset))
            }
        case .timestamp:
            let made = Loops.unary(a, rows, result) { (x: Int64) -> Int64 in
                let (days, time) = Calendar.split(x)
                return part.value(days, time)
            }
            return nulled(made, a, rows, Int64.self)
        case .timestamptz:
            let zone = context.timeZone
            let made = Loops.unary(a, rows, result) { (x: Int64) -> Int64 in
                let offset = Int64(zone.offset(atUTC: x))
                let (days, time) = Calendar.split(x &+ offset &* 1_000_000)
                return part.value(days, time, offset: offset)
            }
            return nulled(made, a, rows, Int64.self)
        default:
            return try Loops.unaryThrowing(a, rows, result) { (x: Interval) throws(SQLError) -> Int64 in
                guard let value = part.value(x) else { throw Calendar.intervalOutOfRange }
                return value
            }
        }
    }

    /// The common fields of dates in loops of their own.
    private static func days(_ part: DatePart, _ a: Column, _ rows: Int, _ result: SQLType) -> Column {
        switch part {
        case .year:
            return Loops.unary(a, rows, result) { (x: Int32) -> Int64 in
                let year = Calendar.civil(Int(x)).year
                return Int64(year > 0 ? year : year &- 1)
            }
        case .month: return Loops.unary(a, rows, result) { (x: Int32) -> Int64 in Int64(Calendar.civil(Int(x)).month) }
        case .day: return Loops.unary(a, rows, result) { (x: Int32) -> Int64 in Int64(Calendar.civil(Int(x)).day) }
        default: return Loops.unary(a, rows, result) { (x: Int32) -> Int64 in part.value(Int(x), 0) }
        }
    }

    /// Infinite dates and timestamps are the extremes of their integers and have no fields.
    private static func nulled<T: FixedWidthInteger & BitwiseCopyable>(
        _ column: Column, _ a: Column, _ rows: Int, _: T.Type
    ) -> Column {
        let lane = Lane(a, T.self)
        var seen: UInt8 = 0
        for row in 0..<rows {
            let value = lane[row]
            seen |= unsafeBitCast(value == T.max, to: UInt8.self) | unsafeBitCast(value == T.min, to: UInt8.self)
        }
        guard seen != 0 else { return column }
        let bits = Bitmap.make(rows, all: true)
        for row in 0..<rows where lane[row] == T.max || lane[row] == T.min {
            Bitmap.clear(bits.pointer(UInt64.self), row)
        }
        return Column(
            column.type, count: rows, values: column.values, validity: Bitmap.and(column.validity, bits, rows))
    }

    /// Any field by row, as numeric or double precision.
    private static func general(_ type: SQLType, _ result: SQLType) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let names = Lane(a[0], StringView.self)
            let builder = ColumnBuilder(result, capacity: rows)
            let validity = Loops.validity(a, rows)
            if a[0].layout == .constant, rows > 0, a[0].isValid(0) {
                let part = try part(names[0].string, type)
                let made = spread(try fixed(part, type, .int8, context, a[1], rows), part, type, result, rows)
                return result == .float8 ? unbounded(made, part, a[1], rows) : made
            }
            for row in 0..<rows {
                if let validity, !Bitmap.get(validity.pointer(UInt64.self), row) {
                    builder.appendNull()
                    continue
                }
                let part = try part(names[row].string, type)
                let one = Flatten.flat(Column.constant(a[1].scalar(row), count: 1))
                let value = spread(try fixed(part, type, .int8, context, one, 1), part, type, result, 1)
                builder.append((result == .float8 ? unbounded(value, part, one, 1) : value).scalar(0))
            }
            return builder.finish()
        }
    }

    /// Fields that grow with time are infinite for infinite times; the others stay NULL.
    private static func unbounded(_ column: Column, _ part: DatePart, _ a: Column, _ rows: Int) -> Column {
        switch part {
        case .year, .isoyear, .decade, .century, .millennium, .epoch, .julian: break
        default: return column
        }
        guard a.type == .timestamp || a.type == .timestamptz, column.validity != nil else { return column }
        let lane = Lane(a, Int64.self)
        let values = column.values.pointer(Double.self)
        let given = Flatten.validity(a)
        for row in 0..<rows where lane[row] == Calendar.infinity || lane[row] == Calendar.negativeInfinity {
            values[row] = lane[row] == Calendar.infinity ? .infinity : -.infinity
        }
        return Column(.float8, count: rows, values: column.values, validity: given)
    }

    private static func spread(
        _ values: Column, _ part: DatePart, _ type: SQLType, _ result: SQLType, _ rows: Int
    ) -> Column {
        let scale = part.scale
        if result == .float8 {
            let divisor = Double(DecimalMath.pow10(scale))
            return Loops.unary(values, rows, result) { (x: Int64) -> Double in Double(x) / divisor }
        }
        let isDays = type == .date && part == .epoch
        return Loops.unary(values, rows, result) { (x: Int64) -> Numeric in
            isDays ? Numeric(Int128(x / 1_000_000), scale: 0) : Numeric(Int128(x), scale: scale)
        }
    }
}
