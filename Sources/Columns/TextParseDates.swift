// Text to dates, times and timestamps: ISO forms on a quick path, everything else by tokens as PostgreSQL's datetime.c.
public import Diagnostics

extension TextParse {
    /// Parses `date`: days since 1970-01-01.
    public static func date(
        _ bytes: UnsafeRawBufferPointer, _ context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> Int32 {
        let text = trimmed(bytes)
        if text.count == 10, let days = isoDate(text) { return Int32(truncatingIfNeeded: days) }
        var fields = DateFields(text, "date", bytes)
        fields.order = context.timeZone.style.order
        try fields.parse()
        switch fields.special {
        case .infinity: return Calendar.dateInfinity
        case .negativeInfinity: return Calendar.dateNegativeInfinity
        case .epoch: return 0
        case .now, .today:
            return Int32(truncatingIfNeeded: Calendar.split(context.timeZone.local(atUTC: context.now)).days)
        case .yesterday:
            return Int32(truncatingIfNeeded: Calendar.split(context.timeZone.local(atUTC: context.now)).days - 1)
        case .tomorrow:
            return Int32(truncatingIfNeeded: Calendar.split(context.timeZone.local(atUTC: context.now)).days + 1)
        case .none: break
        }
        let days = try fields.days()
        _ = try fields.timeOfDay()
        guard days >= Calendar.firstDay, days < Calendar.endDay else { throw dateRange("date", bytes) }
        return Int32(truncatingIfNeeded: days)
    }

    /// Parses `time`: microseconds since midnight.
    public static func time(
        _ bytes: UnsafeRawBufferPointer, _ context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> Int64 {
        var fields = DateFields(trimmed(bytes), "time", bytes)
        fields.isTimeOnly = true
        try fields.parse()
        if fields.special == .now {
            return Calendar.split(context.timeZone.local(atUTC: context.now)).time
        }
        guard fields.special == .none, let micros = try fields.timeOfDay() else { throw invalid("time", bytes) }
        return micros
    }

    /// Parses `timestamp`: a zone in the text is ignored.
    public static func timestamp(
        _ bytes: UnsafeRawBufferPointer, _ context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> Int64 {
        let text = trimmed(bytes)
        if let quick = isoTimestamp(text) { return quick }
        var fields = DateFields(text, "timestamp", bytes)
        fields.order = context.timeZone.style.order
        try fields.parse()
        let named = named(fields.special, context)
        if named == nil, let special = special(fields.special, context) {
            return fields.special == .epoch ? 0 : context.timeZone.local(atUTC: special)
        }
        let day = if let named { named } else { try fields.days() }
        guard let result = Calendar.join(day, try fields.timeOfDay() ?? 0) else {
            throw dateRange("timestamp", bytes)
        }
        return result
    }

    /// Parses `timestamptz`: microseconds since 1970 UTC.
    public static func timestamptz(
        _ bytes: UnsafeRawBufferPointer, _ context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> Int64 {
        let text = trimmed(bytes)
        if let quick = isoTimestamp(text) { return context.timeZone.utc(atLocal: quick) }
        var fields = DateFields(text, "timestamp with time zone", bytes)
        fields.order = context.timeZone.style.order
        try fields.parse()
        let named = named(fields.special, context)
        if named == nil, let special = special(fields.special, context) { return special }
        let day = if let named { named } else { try fields.days() }
        guard let local = Calendar.join(day, try fields.timeOfDay() ?? 0) else {
            throw dateRange("timestamp", bytes)
        }
        let result: Int64
        if let offset = fields.offset {
            result = local &- Int64(offset) &* 1_000_000
        } else if let name = fields.zoneName {
            result = try SessionTimeZone.named(name).utc(atLocal: local)
        } else {
            result = context.timeZone.utc(atLocal: local)
        }
        guard Calendar.isInRange(result) else { throw dateRange("timestamp", bytes) }
        return result
    }

    /// The day of a word that may have a time beside it: `today 10:30`.
    private static func named(_ word: DateFields.Special, _ context: TextParseContext) -> Int? {
        let today = Calendar.split(context.timeZone.local(atUTC: context.now)).days
        switch word {
        case .today: return today
        case .yesterday: return today - 1
        case .tomorrow: return today + 1
        case .none, .infinity, .negativeInfinity, .epoch, .now: return nil
        }
    }

    /// The instant of a word such as `today`, by the session's clock.
    private static func special(_ word: DateFields.Special, _ context: TextParseContext) -> Int64? {
        let zone = context.timeZone
        let today = Int64(Calendar.split(zone.local(atUTC: context.now)).days)
        switch word {
        case .none: return nil
        case .infinity: return Calendar.infinity
        case .negativeInfinity: return Calendar.negativeInfinity
        case .epoch: return 0
        case .now: return context.now
        case .today: return zone.utc(atLocal: today * Calendar.microsecondsPerDay)
        case .yesterday: return zone.utc(atLocal: (today - 1) * Calendar.microsecondsPerDay)
        case .tomorrow: return zone.utc(atLocal: (today + 1) * Calendar.microsecondsPerDay)
        }
    }

    static func dateRange(_ type: String, _ bytes: UnsafeRawBufferPointer) -> SQLError {
        SQLError(.datetimeFieldOverflow, "\(type) out of range: \"\(String(decoding: bytes, as: UTF8.self))\"")
    }

    @inline(__always)
    private static func two(_ text: UnsafeRawBufferPointer, _ at: Int) -> Int {
        let (a, b) = (text[at] &- 48, text[at &+ 1] &- 48)
        return a < 10 && b < 10 ? Int(a) &* 10 &+ Int(b) : -1
    }

    /// YYYY-MM-DD at the start; nil when it is anything else or no valid day.
    @inline(__always)
    private static func isoDate(_ text: UnsafeRawBufferPointer) -> Int? {
        guard text[4] == 45, text[7] == 45 else { return nil }
        let (a, b, month, day) = (two(text, 0), two(text, 2), two(text, 5), two(text, 8))
        let year = a &* 100 &+ b
        guard a >= 0, b >= 0, year > 0, month >= 1, month <= 12, day >= 1,
            day <= Calendar.days(inMonth: month, of: year)
        else { return nil }
        return Calendar.daysFromCivil(year, month, day)
    }

    /// YYYY-MM-DD[ T]HH:MM:SS[.ffffff]; nil when it is anything else.
    private static func isoTimestamp(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count >= 10, text.count <= 26, let days = isoDate(text) else { return nil }
        let midnight = Int64(days) &* Calendar.microsecondsPerDay
        if text.count == 10 { return midnight }
        guard text.count >= 19, text[10] == 32 || text[10] == 84, text[13] == 58, text[16] == 58 else { return nil }
        let (hour, minute, second) = (two(text, 11), two(text, 14), two(text, 17))
        guard hour >= 0, hour < 24, minute >= 0, minute < 60, second >= 0, second < 60 else { return nil }
        var micros: Int64 = 0
        if text.count > 19 {
            guard text[19] == 46, text.count > 20 else { return nil }
            var unit: Int64 = 100_000
            for index in 20..<text.count {
                let digit = text[index] &- 48
                guard digit < 10 else { return nil }
                micros &+= Int64(digit) &* unit
                unit /= 10
            }
        }
        return midnight &+ Int64((hour &* 60 &+ minute) &* 60 &+ second) &* 1_000_000 &+ micros
    }
}
