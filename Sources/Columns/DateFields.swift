// The tokens of a date and time text, in any of the orders that PostgreSQL takes (datestyle ISO, MDY).
import Diagnostics

/// Fields collected from one text.
struct DateFields {
    enum Special { case none, infinity, negativeInfinity, epoch, now, today, yesterday, tomorrow }

    var special = Special.none
    /// Seconds east of UTC, when the text has a numeric zone or an abbreviation.
    var offset: Int32?
    var zoneName: String?
    /// `time` values: digits mean times, dates are not needed.
    var isTimeOnly = false
    /// Which number of a date is which, where their lengths do not tell.
    var order = TimeStyle.Order.mdy

    private let text: UnsafeRawBufferPointer
    private let type: String
    private let whole: UnsafeRawBufferPointer
    private var at = 0
    private var year: Int?
    private var month: Int?
    private var day: Int?
    private var dayNumber: Int?
    private var isBeforeChrist = false
    private var isTwoDigitYear = false
    private var hasTextMonth = false
    private var hour: Int?
    private var minute = 0
    private var second = 0
    private var micros: Int64 = 0
    private var isAfternoon: Bool?
    /// Set by a lone number as the hour: only AM or PM makes it a time.
    private var needsMeridian = false

    static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    static let monthNames = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    ]
    static let weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]

    init(_ text: UnsafeRawBufferPointer, _ type: String, _ whole: UnsafeRawBufferPointer) {
        self.text = text
        self.type = type
        self.whole = whole
    }

    private var invalid: SQLError { TextParse.invalid(type, whole) }

    private func fieldError(hint: Bool) -> SQLError {
        SQLError(
            .datetimeFieldOverflow,
            "date/time field value out of range: \"\(String(decoding: whole, as: UTF8.self))\"",
            hint: hint ? "Perhaps you need a different \"datestyle\" setting." : nil)
    }

    /// Reads all tokens.
    mutating func parse() throws(SQLError) {
        guard text.count > 0, text.count <= 128 else { throw invalid }
        while at < text.count {
            let byte = text[at]
            if TextParse.isSpace(byte) || byte == 44 {
                at += 1
            } else if TextParse.isDigit(byte) {
                try numberToken()
            } else if byte | 32 >= 97, byte | 32 <= 122 {
                try wordToken()
            } else if byte == 43 || byte == 45 {
                try signToken()
            } else {
                throw invalid
            }
        }
    }

    /// The day number of the date fields.
    func days() throws(SQLError) -> Int {
        if let dayNumber { return dayNumber }
        guard var year, let month, let day else { throw invalid }
        if isBeforeChrist {
            guard year > 0 else { throw fieldError(hint: false) }
            year = 1 - year
        } else if isTwoDigitYear {
            year += year < 70 ? 2000 : 1900
        } else if year == 0 {
            throw fieldError(hint: false)
        }
        guard month >= 1, month <= 12 else { throw fieldError(hint: true) }
        guard day >= 1, day <= 31 else { throw fieldError(hint: true) }
        guard day <= Calendar.days(inMonth: month, of: year) else { throw fieldError(hint: false) }
        return Calendar.daysFromCivil(year, month, day)
    }

    /// Microseconds of the day, nil when no time was written.
    func timeOfDay() throws(SQLError) -> Int64? {
        guard var hour else { return nil }
        if needsMeridian, isAfternoon == nil { throw invalid }
        if let isAfternoon {
            guard hour >= 1, hour <= 12 else { throw fieldError(hint: false) }
            hour = hour % 12 + (isAfternoon ? 12 : 0)
        }
        guard minute < 60, second <= 60, hour < 24 || (hour == 24 && minute == 0 && second == 0 && micros == 0) else {
            throw fieldError(hint: false)
        }
        return Int64((hour * 60 + minute) * 60 + second) * 1_000_000 + micros
    }

    // MARK: Tokens

    /// A run of digits; at most 9 count.
    private mutating func digits() throws(SQLError) -> (value: Int, length: Int) {
        let start = at
        var value = 0
        while at < text.count, TextParse.isDigit(text[at]) {
            value = value &* 10 &+ Int(text[at] &- 48)
            at += 1
        }
        guard at > start, at - start <= 9 else { throw at > start ? fieldError(hint: false) : invalid }
        return (value, at - start)
    }

    private var next: UInt8 { at < text.count ? text[at] : 0 }

    private mutating func numberToken() throws(SQLError) {
        let start = at
        let first = try digits()
        switch next {
        case 58:
            at += 1
            try clock(first.value)
        case 45, 47, 46:
            let separator = next
            // Digits before a fraction, or before '-' and a zone, are a compact time: 20240105T101112.5-05.
            let isCompact = first.length == 6 ? dateIsComplete || isTimeOnly : first.length == 4 && dateIsComplete
            if separator != 47, hour == nil, isCompact {
                try compactTime(first)
                return
            }
            if separator == 46, hour == nil, dateIsComplete { throw invalid }
            at += 1
            try separated(first, separator)
        default:
            try plainNumber(first, start)
        }
    }

    private var dateIsComplete: Bool { dayNumber != nil || (year != nil && month != nil && day != nil) }

    /// Digits without separators: YYYYMMDD, HHMMSS, or a lone year or day beside a month name.
    private mutating func plainNumber(_ number: (value: Int, length: Int), _ start: Int) throws(SQLError) {
        if dateIsComplete || isTimeOnly {
            guard hour == nil else { throw invalid }
            if next == 46 || number.length == 6 || number.length == 4 {
                try compactTime(number)
                return
            }
            // "10 PM"
            guard number.length <= 2 else { throw invalid }
            hour = number.value
            needsMeridian = true
            return
        }
        if hasTextMonth { return try besideTextMonth(number) }
        switch (year != nil, month != nil, day != nil) {
        case (false, false, false): try firstNumber(number)
        case (true, false, false):
            if number.length == 3, let year {
                // 1999 123: the day of the year.
                guard number.value >= 1, number.value <= (Calendar.isLeap(year) ? 366 : 365) else {
                    throw fieldError(hint: false)
                }
                dayNumber = Calendar.daysFromCivil(year, 1, 1) + number.value - 1
            } else {
                month = number.value
            }
        case (false, false, true): month = number.value
        case (false, true, false), (true, true, false): day = number.value
        case (false, true, true): setYear(number)
        default: throw invalid
        }
    }

    /// A number before or behind the name of the month.
    private mutating func besideTextMonth(_ number: (value: Int, length: Int)) throws(SQLError) {
        if year != nil, day == nil {
            // 08 Jan 1999 with the year expected first: the longer number is the year.
            if number.length >= 3, isTwoDigitYear, let first = year {
                day = first
                setYear(number)
            } else {
                day = number.value
            }
        } else if number.length >= 3 || day != nil || order == .ymd {
            guard year == nil else { throw invalid }
            setYear(number)
        } else {
            day = number.value
        }
    }

    private mutating func firstNumber(_ number: (value: Int, length: Int)) throws(SQLError) {
        switch number.length {
        case 8:
            (year, month, day) = (number.value / 10_000, number.value / 100 % 100, number.value % 100)
        case 6:
            (year, month, day) = (number.value / 10_000, number.value / 100 % 100, number.value % 100)
            isTwoDigitYear = true
        case 1, 2:
            switch order {
            case .mdy: month = number.value
            case .dmy: day = number.value
            case .ymd: setYear(number)
            }
        case 3, 4: setYear(number)
        default: throw invalid
        }
    }

    private mutating func setYear(_ number: (value: Int, length: Int)) {
        year = number.value
        isTwoDigitYear = number.length <= 2
    }

    private mutating func compactTime(_ number: (value: Int, length: Int)) throws(SQLError) {
        switch number.length {
        case 6: (hour, minute, second) = (number.value / 10_000, number.value / 100 % 100, number.value % 100)
        case 4: (hour, minute, second) = (number.value / 100, number.value % 100, 0)
        default: throw invalid
        }
        if next == 46 {
            at += 1
            try fraction()
        }
    }

    /// The rest of a date with separators; names may stand for the month.
    private mutating func separated(_ first: (value: Int, length: Int), _ separator: UInt8) throws(SQLError) {
        guard !dateIsComplete else { throw invalid }
        if hasTextMonth, day == nil, year == nil {
            // Feb-10-1997.
            let last = try digits()
            guard last.length >= 3 || order != .ymd else { throw invalid }
            day = first.value
            setYear(last)
            return
        }
        if next | 32 >= 97, next | 32 <= 122 {
            guard let named = monthNumber(word()) else { throw invalid }
            month = named
            hasTextMonth = true
            guard next == separator else { throw invalid }
            at += 1
            let last = try digits()
            if first.length >= 3 || (order == .ymd && last.length <= 2) {
                setYear(first)
                day = last.value
            } else {
                day = first.value
                setYear(last)
            }
            return
        }
        let second = try digits()
        guard next == separator else {
            if year != nil, month == nil, day == nil, dayNumber == nil, second.length <= 2 {
                // 2024 02-03.
                (month, day) = (first.value, second.value)
                return
            }
            // 2024.123: the day of the year.
            guard separator == 46 || separator == 45, first.length >= 4, second.length == 3 else { throw invalid }
            guard second.value >= 1, second.value <= (Calendar.isLeap(first.value) ? 366 : 365) else {
                throw fieldError(hint: false)
            }
            dayNumber = Calendar.daysFromCivil(first.value, 1, 1) + second.value - 1
            return
        }
        at += 1
        let third = try digits()
        if first.length >= 3 || order == .ymd {
            setYear(first)
            (month, day) = (second.value, third.value)
        } else if order == .dmy {
            (day, month) = (first.value, second.value)
            setYear(third)
        } else {
            (month, day) = (first.value, second.value)
            setYear(third)
        }
    }

    /// What follows `hh:`.
    private mutating func clock(_ hours: Int) throws(SQLError) {
        guard hour == nil else { throw invalid }
        hour = hours
        minute = try digits().value
        if next == 58 {
            at += 1
            second = try digits().value
        }
        if next == 46 {
            at += 1
            try fraction()
        }
    }

    /// Fractional seconds, rounded half to even at the seventh digit as a double would.
    private mutating func fraction() throws(SQLError) {
        var unit: Int64 = 100_000
        var roundsUp = false
        var position = 0
        while at < text.count, TextParse.isDigit(text[at]) {
            let digit = Int64(text[at] &- 48)
            if position < 6 {
                micros += digit * unit
                unit /= 10
            } else if position == 6 {
                roundsUp = digit >= 5
            }
            position += 1
            at += 1
        }
        if roundsUp { micros += 1 }
    }

    /// Letters, lower-cased.
    private mutating func word() -> String {
        var letters: [UInt8] = []
        while at < text.count, text[at] | 32 >= 97, text[at] | 32 <= 122 {
            letters.append(text[at] | 32)
            at += 1
        }
        return String(decoding: letters, as: UTF8.self)
    }

    private func monthNumber(_ word: String) -> Int? {
        if let short = DateFields.months.firstIndex(of: word) { return short + 1 }
        if word == "sept" { return 9 }
        return DateFields.monthNames.firstIndex(of: word).map { $0 + 1 }
    }

    private mutating func wordToken() throws(SQLError) {
        let start = at
        let word = word()
        if let named = monthNumber(word) {
            guard month == nil || (day == nil && !hasTextMonth) else { throw invalid }
            if let first = month, day == nil { day = first }
            month = named
            hasTextMonth = true
            if next == 45 || next == 47 || next == 46 { at += 1 }
            return
        }
        switch word {
        case "j" where TextParse.isDigit(next): try julianDay()
        case "t":
            guard TextParse.isDigit(next) || (dateIsComplete && TextParse.isSpace(next)) else { throw invalid }
            if !dateIsComplete { isTimeOnly = true }
        case "am": isAfternoon = false
        case "pm": isAfternoon = true
        case "ad": break
        case "bc": isBeforeChrist = true
        case "at", "on": break
        case "epoch": special = .epoch
        case "infinity", "inf": special = .infinity
        case "now": special = .now
        case "today": special = .today
        case "yesterday": special = .yesterday
        case "tomorrow": special = .tomorrow
        case "allballs": (hour, offset) = (0, 0)
        default:
            if word.count >= 3, DateFields.weekdays.contains(where: { $0 == word || $0.prefix(3) == word }) { return }
            if word == "tues" || word == "wednes" || word == "thur" || word == "thurs" { return }
            try zoneToken(word, start)
        }
    }

    /// Behind J: the number of a day, counted from 4714 BC; a fraction is its time.
    private mutating func julianDay() throws(SQLError) {
        guard !dateIsComplete, year == nil, month == nil, day == nil else { throw invalid }
        dayNumber = try digits().value - DateFields.julianOf1970
        guard next == 46, hour == nil else { return }
        at += 1
        let start = at
        _ = try digits()
        let text = String(decoding: UnsafeRawBufferPointer(rebasing: text[start..<at]), as: UTF8.self)
        guard let part = Double("0." + text) else { throw invalid }
        let time = Int64(part * Double(Calendar.microsecondsPerDay))
        let seconds = Int(time / 1_000_000)
        (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60)
        micros = time % 1_000_000
    }

    private static let julianOf1970 = 2_440_588

    private mutating func zoneToken(_ word: String, _ start: Int) throws(SQLError) {
        guard offset == nil, zoneName == nil else { throw invalid }
        if next != 47, next != 95, let seconds = ZoneAbbreviations.secondsEast[word] {
            offset = seconds
            // GMT+8 is POSIX's: the number says how far west of Greenwich the zone is, whatever its name.
            if next == 43 || next == 45, at + 1 < text.count, TextParse.isDigit(text[at + 1]) {
                offset = nil
                try signToken()
                offset = offset.map { -$0 }
            }
            return
        }
        while at < text.count, !TextParse.isSpace(text[at]), text[at] != 44 { at += 1 }
        let name = String(decoding: text[start..<at], as: UTF8.self)
        guard name.utf8.contains(47) || (try? SessionTimeZone.named(name)) != nil else { throw invalid }
        guard (try? SessionTimeZone.named(name)) != nil else {
            throw SQLError(.invalidParameterValue, "time zone \"\(name)\" not recognized")
        }
        zoneName = name
    }

    private mutating func signToken() throws(SQLError) {
        let isWest = text[at] == 45
        at += 1
        if next | 32 == 105 {
            let word = word()
            guard word == "infinity" || word == "inf" else { throw invalid }
            special = isWest ? .negativeInfinity : .infinity
            return
        }
        guard hour != nil || dateIsComplete, offset == nil else { throw invalid }
        let first = try digits()
        var (hours, minutes, seconds) = (first.value, 0, 0)
        switch first.length {
        case 1, 2:
            if next == 58 {
                at += 1
                minutes = try digits().value
                if next == 58 {
                    at += 1
                    seconds = try digits().value
                }
            }
        case 3, 4: (hours, minutes) = (first.value / 100, first.value % 100)
        default: throw invalid
        }
        guard hours <= 15, minutes < 60, seconds < 60 else {
            throw SQLError(
                SQLState("22009"),
                "time zone displacement out of range: \"\(String(decoding: whole, as: UTF8.self))\"")
        }
        let total = Int32((hours * 60 + minutes) * 60 + seconds)
        offset = isWest ? -total : total
    }
}
