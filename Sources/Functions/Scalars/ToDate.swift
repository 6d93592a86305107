// to_date and to_timestamp by template; strptime.
import Columns
import Diagnostics

enum ToDate {
    static let all: [Overload] = [
        Overload("to_date", [.text, .text], .date) { (_, a, rows) throws(SQLError) in
            try parsed(a, rows, .date) { (fields) throws(SQLError) -> Int32 in
                Int32(truncatingIfNeeded: try fields.days())
            }
        },
        Overload("to_timestamp", [.text, .text], .timestamptz, volatility: .stable) {
            (context, a, rows) throws(SQLError) in
            let zone = context.timeZone
            return try parsed(a, rows, .timestamptz) { (fields) throws(SQLError) -> Int64 in
                let local = try fields.timestamp()
                if let offset = fields.offset { return local &- Int64(offset) &* 1_000_000 }
                return zone.utc(atLocal: local)
            }
        },
    ]

    private static func parsed<R: BitwiseCopyable>(
        _ a: [Column], _ rows: Int, _ type: SQLType, _ body: (TemplateFields) throws(SQLError) -> R
    ) throws(SQLError) -> Column {
        var items: [TemplateItem] = []
        var known: StringView?
        return try Loops.binaryThrowing(a[0], a[1], rows, type) {
            (text: StringView, format: StringView) throws(SQLError) -> R in
            if known.map({ StringView.equal($0, format) }) != true {
                items = try TemplateItem.parse(TextKernels.bytes(format))
                known = format
            }
            var fields = TemplateFields(TextKernels.bytes(text))
            for (index, item) in items.enumerated() {
                let isNextDigit = index + 1 < items.count && items[index + 1].field != nil
                try fields.read(item, isFollowedByField: isNextDigit)
            }
            return try body(fields)
        }
    }
}

/// The fields read from a text by a template.
struct TemplateFields {
    private let text: [UInt8]
    private var at = 0
    private var year: Int?
    private var (month, day, dayOfYear): (Int?, Int?, Int?) = (nil, nil, nil)
    private var (isoYear, isoWeek, isoDay): (Int?, Int?, Int?) = (nil, nil, nil)
    private var (hour, minute, second, micros) = (0, 0, 0, 0)
    private var secondsOfDay: Int?
    private var isAfternoon: Bool?
    private var isBeforeChrist = false
    private var isTwelveHour = false
    /// Seconds east of UTC, when the text has them.
    private(set) var offset: Int?
    private var julian: Int?

    init(_ text: [UInt8]) { self.text = text }

    private func invalid(_ field: TemplateItem.Field) -> SQLError {
        let rest = String(decoding: text[min(at, text.count)...].prefix(20), as: UTF8.self)
        return SQLError(
            .invalidDatetimeFormat, "invalid value \"\(rest)\" for \"\(field.rawValue)\"",
            detail: "Value must be an integer.")
    }

    private var outOfRange: SQLError {
        SQLError(
            .datetimeFieldOverflow,
            "date/time field value out of range: \"\(String(decoding: text, as: UTF8.self))\"")
    }

    private mutating func skipBlanks() { while at < text.count, text[at] == 32 { at += 1 } }

    /// Reads digits: at most `width` when another field follows directly.
    private mutating func number(
        _ field: TemplateItem.Field, _ width: Int, _ isBounded: Bool
    ) throws(SQLError) -> (value: Int, digits: Int) {
        skipBlanks()
        var isNegative = false
        if at < text.count, text[at] == 45 || text[at] == 43 {
            isNegative = text[at] == 45
            at += 1
        }
        var value = 0
        var digits = 0
        while at < text.count, text[at] &- 48 < 10, !isBounded || digits < width, digits < 9 {
            value = value * 10 + Int(text[at] - 48)
            digits += 1
            at += 1
        }
        guard digits > 0 else { throw invalid(field) }
        return (isNegative ? -value : value, digits)
    }

    private mutating func word(_ names: [String], _ field: TemplateItem.Field) throws(SQLError) -> Int {
        skipBlanks()
        let rest = text[min(at, text.count)...].map { $0 >= 65 && $0 <= 90 ? $0 | 32 : $0 }
        for (index, name) in names.enumerated() where rest.starts(with: name.lowercased().utf8) {
            at += name.utf8.count
            return index
        }
        throw SQLError(
            .invalidDatetimeFormat,
            "invalid value \"\(String(decoding: rest.prefix(20), as: UTF8.self))\" for \"\(field.rawValue)\"",
            detail: "The given value did not match any of the allowed values for this field.")
    }

    mutating func read(_ item: TemplateItem, isFollowedByField: Bool) throws(SQLError) {
        guard let field = item.field else {
            // Literal text stands for as many characters, whatever they are; blanks for any number of blanks.
            if item.literal == [32] {
                skipBlanks()
            } else if at < text.count {
                let isDigit = text[at] &- 48 < 10
                if !isDigit || item.literal.first.map({ $0 &- 48 < 10 }) == true { at += item.literal.count }
            }
            return
        }
        let bounded = isFollowedByField
        switch field {
        case .yyyy, .iyyy, .yComma:
            let value = try number(field, 4, bounded).value
            if field == .iyyy { isoYear = value } else { year = value }
        case .yyy, .yy, .y, .iyy, .iy, .i:
            let read = try number(
                field, field == .yyy || field == .iyy ? 3 : field == .yy || field == .iy ? 2 : 1, bounded)
            let value = read.digits >= 4 ? read.value : TemplateFields.nearYear(read.value, read.digits)
            if field == .yyy || field == .yy || field == .y { year = value } else { isoYear = value }
        case .mm: month = try number(field, 2, bounded).value
        case .dd: day = try number(field, 2, bounded).value
        case .ddd: dayOfYear = try number(field, 3, bounded).value
        case .hh24: hour = try number(field, 2, bounded).value
        case .hh12, .hh:
            hour = try number(field, 2, bounded).value
            isTwelveHour = true
        case .mi: minute = try number(field, 2, bounded).value
        case .ss: second = try number(field, 2, bounded).value
        case .ssss, .ssssS: secondsOfDay = try number(field, 5, bounded).value
        case .ms, .ff1, .ff2, .ff3, .ff4, .ff5, .us, .ff6: try fraction(field, bounded)
        case .am, .pm, .amDots, .pmDots:
            isAfternoon = try word(["a.m.", "p.m.", "am", "pm"], field) % 2 == 1
        case .bc, .ad, .bcDots, .adDots: isBeforeChrist = try word(["a.d.", "b.c.", "ad", "bc"], field) % 2 == 1
        case .month: month = try monthName(field)
        case .mon: month = try monthName(field)
        case .day, .dy: try weekday(field)
        case .iw: isoWeek = try number(field, 2, bounded).value
        case .id: isoDay = try number(field, 1, true).value
        case .j: julian = try number(field, 7, bounded).value
        case .d, .w, .ww, .q, .cc, .iddd: _ = try number(field, 2, bounded)
        case .rm:
            month = 12 - (try word(["xii", "xi", "x", "ix", "viii", "vii", "vi", "v", "iv", "iii", "ii", "i"], field))
        case .tzh:
            let isNegative = at < text.count && text[at] == 45
            let hours = abs(try number(field, 2, bounded).value)
            offset = (isNegative ? -1 : 1) * hours * 3600
        case .tzm:
            let minutes = try number(field, 2, bounded).value
            offset = (offset ?? 0) + ((offset ?? 0) < 0 ? -minutes : minutes) * 60
        case .tz, .of:
            throw SQLError(.featureNotSupported, "formatting field \"\(field.rawValue)\" is only supported in to_char")
        }
        if item.ordinal != nil { at = min(at + 2, text.count) }
    }

    /// Fewer than four digits mean the year nearest to 2020.
    private static func nearYear(_ value: Int, _ digits: Int) -> Int {
        if digits <= 2 { return value < 70 ? 2000 + value : 1900 + value }
        return value < 520 ? 2000 + value : 1000 + value
    }

    private mutating func fraction(_ field: TemplateItem.Field, _ isBounded: Bool) throws(SQLError) {
        let width = field == .ms ? 3 : field == .us ? 6 : Int(field.rawValue.dropFirst(2)) ?? 6
        let read = try number(field, width, isBounded)
        var value = read.value
        for _ in 0..<max(0, 6 - read.digits) { value *= 10 }
        for _ in 0..<max(0, read.digits - 6) { value /= 10 }
        micros = value
    }

    private mutating func monthName(_ field: TemplateItem.Field) throws(SQLError) -> Int {
        let full = CalendarNames.months
        let names = full + full.map { String($0.prefix(3)) }
        return try word(names, field) % 12 + 1
    }

    private mutating func weekday(_ field: TemplateItem.Field) throws(SQLError) {
        let full = CalendarNames.weekdays
        _ = try word(full + full.map { String($0.prefix(3)) }, field)
    }

    /// The day; missing fields are the first of their kind.
    func days() throws(SQLError) -> Int {
        if let julian { return julian - 2_440_588 }
        if let isoYear, let isoWeek {
            guard isoWeek >= 1, isoWeek <= 53 else { throw outOfRange }
            return Calendar.isoYearStart(isoYear) + (isoWeek - 1) * 7 + (isoDay ?? 1) - 1
        }
        var shown = year ?? isoYear ?? 0
        if isBeforeChrist { shown = 1 - shown } else if year == nil, isoYear == nil { shown = 0 }
        if shown < 0, !isBeforeChrist { shown += 1 }
        if let dayOfYear {
            guard dayOfYear >= 1, dayOfYear <= (Calendar.isLeap(shown) ? 366 : 365) else { throw outOfRange }
            return Calendar.daysFromCivil(shown, 1, 1) + dayOfYear - 1
        }
        let (m, d) = (month ?? 1, day ?? 1)
        guard m >= 1, m <= 12, d >= 1, d <= Calendar.days(inMonth: m, of: shown) else { throw outOfRange }
        let result = Calendar.daysFromCivil(shown, m, d)
        guard result >= Calendar.firstDay, result < Calendar.endDay else { throw outOfRange }
        return result
    }

    func timestamp() throws(SQLError) -> Int64 {
        var (h, m, s) = (hour, minute, second)
        if let secondsOfDay { (h, m, s) = (secondsOfDay / 3600, secondsOfDay / 60 % 60, secondsOfDay % 60) }
        if isTwelveHour || isAfternoon != nil {
            guard h >= 1, h <= 12 else {
                throw SQLError(
                    .invalidDatetimeFormat, "hour \"\(h)\" is invalid for the 12-hour clock",
                    hint: "Use the 24-hour clock, or give an hour between 1 and 12.")
            }
            if isAfternoon == true, h < 12 { h += 12 } else if isAfternoon == false, h == 12 { h = 0 }
        }
        guard h >= 0, h < 24, m >= 0, m < 60, s >= 0, s < 60 else { throw outOfRange }
        let time = Int64((h * 60 + m) * 60 + s) * 1_000_000 + Int64(micros)
        guard let result = Calendar.join(try days(), time) else { throw Calendar.timestampOutOfRange }
        return result
    }
}
