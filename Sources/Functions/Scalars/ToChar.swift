// to_char of dates, timestamps and intervals; strftime.
import Columns
import Diagnostics

enum ToChar {
    static let all: [Overload] = [
        Overload("to_char", [.timestamp, .text], .text) { (_, a, rows) throws(SQLError) in
            let values = Lane(a[0], Int64.self)
            return try formatted(a, rows) { (row) in Moment(values[row], offset: 0) }
        },
        Overload("to_char", [.timestamptz, .text], .text, volatility: .stable) { (context, a, rows) throws(SQLError) in
            let values = Lane(a[0], Int64.self)
            let zone = context.timeZone
            return try formatted(a, rows) { (row) in
                let offset = zone.offset(atUTC: values[row])
                var moment = Moment(zone.local(atUTC: values[row]), offset: Int(offset))
                moment?.zoneName = zone.name
                return moment
            }
        },
        Overload("to_char", [.interval, .text], .text) { (_, a, rows) throws(SQLError) in
            let values = Lane(a[0], Interval.self)
            return try formatted(a, rows) { (row) in Moment(values[row]) }
        },
        Overload("strftime", [.timestamp, .text], .text) { (_, a, rows) throws(SQLError) in
            let (values, formats) = (Lane(a[0], Int64.self), Lane(a[1], StringView.self))
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                guard let moment = Moment(values[row], offset: 0) else { return false }
                out = try strftime(moment, TextKernels.bytes(formats[row]))
                return true
            }
        },
    ]

    private static func formatted(
        _ a: [Column], _ rows: Int, _ moment: (Int) -> Moment?
    ) throws(SQLError) -> Column {
        let formats = Lane(a[1], StringView.self)
        var items: [TemplateItem] = []
        var known: StringView?
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            let format = formats[row]
            if known.map({ StringView.equal($0, format) }) != true {
                items = try TemplateItem.parse(TextKernels.bytes(format))
                known = format
            }
            guard let moment = moment(row) else { return false }
            for item in items { moment.append(item, to: &out) }
            return true
        }
    }

    private static func strftime(_ m: Moment, _ format: [UInt8]) throws(SQLError) -> [UInt8] {
        var out: [UInt8] = []
        var at = 0
        func number(_ value: Int, _ width: Int) { Moment.append(value, width, to: &out) }
        while at < format.count {
            guard format[at] == 37, at + 1 < format.count else {
                out.append(format[at])
                at += 1
                continue
            }
            at += 1
            var width: Int?
            if format[at] == 45, at + 1 < format.count {
                width = 1
                at += 1
            }
            switch format[at] {
            case UInt8(ascii: "Y"): number(m.year, 4)
            case UInt8(ascii: "y"): number(m.year % 100, width ?? 2)
            case UInt8(ascii: "m"): number(m.month, width ?? 2)
            case UInt8(ascii: "d"): number(m.day, width ?? 2)
            case UInt8(ascii: "H"): number(m.hour, width ?? 2)
            case UInt8(ascii: "I"): number(m.hour % 12 == 0 ? 12 : m.hour % 12, width ?? 2)
            case UInt8(ascii: "M"): number(m.minute, width ?? 2)
            case UInt8(ascii: "S"): number(m.second, width ?? 2)
            case UInt8(ascii: "f"): number(m.micros, 6)
            case UInt8(ascii: "g"): number(m.micros / 1000, 3)
            case UInt8(ascii: "j"): number(Calendar.dayOfYear(m.days), width ?? 3)
            case UInt8(ascii: "p"): out.append(contentsOf: (m.hour < 12 ? "AM" : "PM").utf8)
            case UInt8(ascii: "B"): out.append(contentsOf: CalendarNames.months[m.month - 1].utf8)
            case UInt8(ascii: "b"): out.append(contentsOf: CalendarNames.months[m.month - 1].utf8.prefix(3))
            case UInt8(ascii: "A"): out.append(contentsOf: CalendarNames.weekdays[Calendar.weekday(m.days)].utf8)
            case UInt8(ascii: "a"):
                out.append(contentsOf: CalendarNames.weekdays[Calendar.weekday(m.days)].utf8.prefix(3))
            case UInt8(ascii: "w"): number(Calendar.weekday(m.days), 1)
            case UInt8(ascii: "u"): number((Calendar.weekday(m.days) + 6) % 7 + 1, 1)
            case UInt8(ascii: "V"): number(Calendar.isoWeek(m.days).week, 2)
            case UInt8(ascii: "G"): number(Calendar.isoWeek(m.days).year, 4)
            case UInt8(ascii: "%"): out.append(37)
            default:
                throw SQLError(
                    .invalidParameterValue,
                    "unrecognized format specifier \"%\(String(decoding: [format[at]], as: UTF8.self))\"")
            }
            at += 1
        }
        return out
    }
}

/// A timestamp or interval in fields.
struct Moment {
    var year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0
    /// Days since 1970; 0 for intervals.
    var days = 0
    var offset = 0
    var zoneName = ""
    var isInterval = false

    /// nil for infinite values, which have no text in a template.
    init?(_ local: Int64, offset: Int) {
        guard !DateOperators.isInfinite(local) else { return nil }
        let (days, time) = Calendar.split(local)
        let date = Calendar.civil(days)
        (year, month, day, self.days) = (date.year, date.month, date.day, days)
        setTime(time)
        self.offset = offset
    }

    init(_ interval: Interval) {
        isInterval = true
        (year, month) = (Int(interval.months) / 12, Int(interval.months) % 12)
        day = Int(interval.days)
        setTime(interval.microseconds)
    }

    private mutating func setTime(_ time: Int64) {
        hour = Int(time / Calendar.microsecondsPerHour)
        minute = Int(time / Calendar.microsecondsPerMinute % 60)
        second = Int(time / Calendar.microsecondsPerSecond % 60)
        micros = Int(time % Calendar.microsecondsPerSecond)
    }

    /// Appends digits, padded with zeros; the sign counts towards the width.
    static func append(_ value: Int, _ width: Int, to out: inout [UInt8]) {
        let digits = Array(String(value.magnitude).utf8)
        if value < 0 { out.append(45) }
        for _ in 0..<max(0, width - digits.count) { out.append(48) }
        out.append(contentsOf: digits)
    }

    /// The year as people count it: 1 BC is 1.
    private var shownYear: Int { isInterval ? year : (year > 0 ? year : 1 - year) }

    func append(_ item: TemplateItem, to out: inout [UInt8]) {
        guard let field = item.field else {
            out.append(contentsOf: item.literal)
            return
        }
        if let name = name(field, item) {
            out.append(contentsOf: name)
            return
        }
        let start = out.count
        let (value, width) = number(field)
        Moment.append(value, item.isFilled ? width : 1, to: &out)
        if field == .yComma {
            let digits = Array(out[start...])
            if digits.count > 3 { out.insert(44, at: out.count - 3) }
        }
        if let ordinal = item.ordinal { out.append(contentsOf: suffix(value, ordinal)) }
    }

    private func suffix(_ value: Int, _ style: TemplateItem.Style) -> String.UTF8View {
        let last = abs(value) % 100
        let text: String
        switch (last / 10, last % 10) {
        case (1, _): text = "th"
        case (_, 1): text = "st"
        case (_, 2): text = "nd"
        case (_, 3): text = "rd"
        default: text = "th"
        }
        return (style == .upper ? text.uppercased() : text).utf8
    }

    /// Fields that are words.
    private func name(_ field: TemplateItem.Field, _ item: TemplateItem) -> [UInt8]? {
        func styled(_ text: String, _ width: Int) -> [UInt8] {
            var result: String
            switch item.style {
            case .upper: result = text.uppercased()
            case .lower: result = text.lowercased()
            case .capital: result = text
            }
            if item.isFilled, result.utf8.count < width {
                result += String(repeating: " ", count: width - result.utf8.count)
            }
            return Array(result.utf8)
        }
        switch field {
        case .am, .pm: return marker(hour % 24 < 12 ? "AM" : "PM", item)
        case .amDots, .pmDots: return marker(hour % 24 < 12 ? "A.M." : "P.M.", item)
        case .bc, .ad: return marker(year > 0 ? "AD" : "BC", item)
        case .bcDots, .adDots: return marker(year > 0 ? "A.D." : "B.C.", item)
        case .month: return month >= 1 ? styled(CalendarNames.months[month - 1], 9) : []
        case .mon: return month >= 1 ? styled(String(CalendarNames.months[month - 1].prefix(3)), 0) : []
        case .day: return styled(CalendarNames.weekdays[Calendar.weekday(days)], 9)
        case .dy: return styled(String(CalendarNames.weekdays[Calendar.weekday(days)].prefix(3)), 0)
        case .rm:
            let romans = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
            return month >= 1 ? styled(romans[month - 1], 4) : []
        case .tz: return styled(zoneName, 0)
        case .tzh: return sign + padded(abs(offset) / 3600)
        case .tzm: return padded(abs(offset) / 60 % 60)
        case .of:
            let minutes = abs(offset) / 60 % 60
            return sign + padded(abs(offset) / 3600) + (minutes == 0 ? [] : [58] + padded(minutes))
        default: return nil
        }
    }

    private func marker(_ text: String, _ item: TemplateItem) -> [UInt8] {
        Array((item.style == .lower ? text.lowercased() : text).utf8)
    }

    private var sign: [UInt8] { [offset < 0 ? 45 : 43] }

    private func padded(_ value: Int) -> [UInt8] {
        var out: [UInt8] = []
        Moment.append(value, 2, to: &out)
        return out
    }

    /// Fields that are numbers, and their width.
    private func number(_ field: TemplateItem.Field) -> (value: Int, width: Int) {
        let iso = isInterval ? (year: year, week: 0) : Calendar.isoWeek(days)
        switch field {
        case .hh24: return (hour, 2)
        case .hh12, .hh: return (hour % 12 == 0 ? 12 : hour % 12, 2)
        case .mi: return (minute, 2)
        case .ss: return (second, 2)
        case .ssss, .ssssS: return ((hour * 60 + minute) * 60 + second, 1)
        case .ms, .ff3: return (micros / 1000, 3)
        case .us, .ff6: return (micros, 6)
        case .ff1: return (micros / 100_000, 1)
        case .ff2: return (micros / 10_000, 2)
        case .ff4: return (micros / 100, 4)
        case .ff5: return (micros / 10, 5)
        case .yyyy, .yComma: return (shownYear, 4)
        case .yyy: return (shownYear % 1000, 3)
        case .yy: return (shownYear % 100, 2)
        case .y: return (shownYear % 10, 1)
        case .iyyy: return (iso.year, 4)
        case .iyy: return (iso.year % 1000, 3)
        case .iy: return (iso.year % 100, 2)
        case .i: return (iso.year % 10, 1)
        case .mm: return (month, 2)
        case .dd: return (day, 2)
        case .ddd: return (Calendar.dayOfYear(days), 3)
        case .iddd: return (days - Calendar.isoYearStart(iso.year) + 1, 3)
        case .d: return (Calendar.weekday(days) + 1, 1)
        case .id: return ((Calendar.weekday(days) + 6) % 7 + 1, 1)
        case .w: return ((day - 1) / 7 + 1, 1)
        case .ww: return ((Calendar.dayOfYear(days) - 1) / 7 + 1, 2)
        case .iw: return (iso.week, 2)
        case .cc: return (Int(DatePart.years(year, per: 100)), 2)
        case .j: return (days + 2_440_588, 1)
        case .q: return ((month - 1) / 3 + 1, 1)
        default: return (0, 1)
        }
    }
}
