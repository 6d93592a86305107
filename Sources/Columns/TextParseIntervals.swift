// Text to intervals: PostgreSQL's own form, SQL's year-month and day-time, ISO 8601 with designators or separators.
public import Diagnostics

/// A unit that an interval's number may have, from large to small.
public enum IntervalUnit: String, Sendable, CaseIterable {
    case millennium, century, decade, year, quarter, month, week, day, hour, minute, second, millisecond, microsecond

    /// Finds a unit by any name that PostgreSQL takes, lower case.
    public init?(name: String) {
        if let unit = IntervalUnit.names[name] { self = unit } else { return nil }
    }

    private static let names: [String: IntervalUnit] = {
        let lists: [(IntervalUnit, String)] = [
            (.millennium, "mil mils millennia millennium"),
            (.century, "c cent centuries century"),
            (.decade, "dec decs decade decades"),
            (.year, "y yr yrs year years"),
            // DuckDB's.
            (.quarter, "quarter quarters"),
            (.month, "mon mons month months"),
            (.week, "w week weeks"),
            (.day, "d day days"),
            (.hour, "h hr hrs hour hours"),
            (.minute, "m min mins minute minutes"),
            (.second, "s sec secs second seconds"),
            (.millisecond, "ms msec msecs msecond mseconds millisecond milliseconds"),
            (.microsecond, "us usec usecs usecond useconds microsecond microseconds"),
        ]
        var table: [String: IntervalUnit] = [:]
        for (unit, list) in lists {
            for name in list.split(separator: " ") { table[String(name)] = unit }
        }
        return table
    }()
}

extension TextParse {
    /// Parses `interval`. A number without unit counts `defaultUnit`: INTERVAL '5' DAY.
    public static func interval(
        _ bytes: UnsafeRawBufferPointer, defaultUnit: IntervalUnit = .second
    ) throws(SQLError) -> Interval {
        var fields = IntervalFields(trimmed(bytes), bytes, defaultUnit)
        return try fields.parse()
    }
}

/// The parts collected from one text.
private struct IntervalFields {
    private let text: UnsafeRawBufferPointer
    private let whole: UnsafeRawBufferPointer
    private let defaultUnit: IntervalUnit
    private var at = 0
    private var months: Int128 = 0
    private var days: Int128 = 0
    private var micros: Int128 = 0
    private var seen: Set<IntervalUnit> = []
    private var hasClock = false
    private var hasAny = false

    /// A number with up to nine fractional digits: `value + billionths / 10^9`, both with the number's sign.
    private struct Number {
        var value: Int128 = 0
        var billionths: Int128 = 0
        var isNegative = false
        var hasSign = false
    }

    init(_ text: UnsafeRawBufferPointer, _ whole: UnsafeRawBufferPointer, _ defaultUnit: IntervalUnit) {
        self.text = text
        self.whole = whole
        self.defaultUnit = defaultUnit
    }

    private var invalid: SQLError { TextParse.invalid("interval", whole) }

    private var outOfRange: SQLError {
        SQLError(
            .intervalFieldOverflow, "interval field value out of range: \"\(String(decoding: whole, as: UTF8.self))\"")
    }

    mutating func parse() throws(SQLError) -> Interval {
        guard text.count > 0, text.count <= 256 else { throw invalid }
        if text[0] | 32 == 112, text.count > 1, text[0] == 80 {
            try designators()
            return try result()
        }
        var isAgo = false
        while at < text.count {
            let byte = text[at]
            if TextParse.isSpace(byte) || byte == 44 || byte == 64 {
                at += 1
            } else if TextParse.isDigit(byte) || byte == 43 || byte == 45 || byte == 46 {
                try numberToken()
            } else if byte | 32 >= 97, byte | 32 <= 122 {
                guard word() == "ago", hasAny, !isAgo else { throw invalid }
                isAgo = true
            } else {
                throw invalid
            }
        }
        guard hasAny else { throw invalid }
        if isAgo { (months, days, micros) = (-months, -days, -micros) }
        return try result()
    }

    private func result() throws(SQLError) -> Interval {
        guard let m = Int32(exactly: months), let d = Int32(exactly: days), let t = Int64(exactly: micros) else {
            throw outOfRange
        }
        return Interval(months: m, days: d, microseconds: t)
    }

    private var next: UInt8 { at < text.count ? text[at] : 0 }

    private mutating func word() -> String {
        var letters: [UInt8] = []
        while at < text.count, text[at] | 32 >= 97, text[at] | 32 <= 122 {
            letters.append(text[at] | 32)
            at += 1
        }
        return String(decoding: letters, as: UTF8.self)
    }

    private mutating func skipSpace() {
        while at < text.count, TextParse.isSpace(text[at]) { at += 1 }
    }

    private mutating func number() throws(SQLError) -> Number {
        var number = Number()
        if next == 43 || next == 45 {
            number.isNegative = next == 45
            number.hasSign = true
            at += 1
            skipSpace()
        }
        var digits = 0
        while at < text.count, TextParse.isDigit(text[at]) {
            guard digits < 19 else { throw outOfRange }
            number.value = number.value * 10 + Int128(text[at] - 48)
            digits += 1
            at += 1
        }
        if next == 46 {
            at += 1
            var unit: Int128 = 100_000_000
            while at < text.count, TextParse.isDigit(text[at]) {
                number.billionths += Int128(text[at] - 48) * unit
                unit /= 10
                digits += 1
                at += 1
            }
        }
        guard digits > 0 else { throw invalid }
        if number.isNegative { (number.value, number.billionths) = (-number.value, -number.billionths) }
        return number
    }

    private mutating func numberToken() throws(SQLError) {
        let number = try number()
        hasAny = true
        if next == 58 {
            guard number.billionths == 0 else { throw invalid }
            try clock(number)
            return
        }
        if next == 45, number.billionths == 0, at + 1 < text.count, TextParse.isDigit(text[at + 1]) {
            // SQL's year-month form.
            at += 1
            let part = try self.number()
            guard part.value < 12, part.billionths == 0 else { throw outOfRange }
            guard next != 45 else { throw invalid }
            months += number.value * 12 + (number.isNegative ? -part.value : part.value)
            return
        }
        skipSpace()
        guard next | 32 >= 97, next | 32 <= 122 else {
            // A number before a clock counts days: `3 4:05:06`.
            var look = at
            if look < text.count, text[look] == 43 || text[look] == 45 { look += 1 }
            let digitsStart = look
            while look < text.count, TextParse.isDigit(text[look]) { look += 1 }
            if look > digitsStart, look < text.count, text[look] == 58 {
                try add(number, .day)
            } else {
                guard at == text.count || next == 44 else { throw invalid }
                try add(number, defaultUnit)
            }
            return
        }
        let start = at
        let name = word()
        if name == "ago" {
            at = start
            try add(number, defaultUnit)
            return
        }
        guard let unit = IntervalUnit(name: name) else { throw invalid }
        try add(number, unit)
    }

    /// `h:mm[:ss[.f]]`; with INTERVAL '1:30' the parts are hours and minutes.
    private mutating func clock(_ hours: Number) throws(SQLError) {
        guard !hasClock else { throw invalid }
        hasClock = true
        at += 1
        let minutes = try number()
        var seconds = Number()
        if next == 58 {
            at += 1
            seconds = try number()
        } else if minutes.billionths != 0 {
            // mm:ss.fff
            guard hours.value.magnitude < 60, minutes.value < 60 else { throw outOfRange }
            let total = hours.value.magnitude * 60_000_000
            let part = Int128(total) + minutes.value * 1_000_000 + rounded(minutes.billionths, 1000)
            micros += hours.isNegative ? -part : part
            return
        }
        guard !minutes.hasSign, !seconds.hasSign, minutes.value < 60, seconds.value <= 60 else { throw outOfRange }
        var total = Int128(hours.value.magnitude) * 3_600_000_000 + minutes.value * 60_000_000
        total += seconds.value * 1_000_000 + rounded(seconds.billionths, 1000)
        micros += hours.isNegative ? -total : total
    }

    private func rounded(_ value: Int128, _ divisor: Int128) -> Int128 {
        // Half to even, as rint does.
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        let twice = rest.magnitude * 2
        if twice > divisor.magnitude || (twice == divisor.magnitude && quotient & 1 != 0) {
            return value < 0 ? quotient - 1 : quotient + 1
        }
        return quotient
    }

    private mutating func add(_ number: Number, _ unit: IntervalUnit) throws(SQLError) {
        guard !seen.contains(unit) || unit == .microsecond else { throw invalid }
        seen.insert(unit)
        let billion: Int128 = 1_000_000_000
        switch unit {
        case .millennium: addYears(number, 1000)
        case .century: addYears(number, 100)
        case .decade: addYears(number, 10)
        case .year: addYears(number, 1)
        case .quarter:
            let (whole, rest) = (number.billionths * 3).quotientAndRemainder(dividingBy: billion)
            months += number.value * 3 + whole
            addDays(rest * 30)
        case .month:
            months += number.value
            addDays(number.billionths * 30)
        case .week: addDays((number.value * billion + number.billionths) * 7)
        case .day: addDays(number.value * billion + number.billionths)
        case .hour: addTime(number, 3_600_000_000)
        case .minute: addTime(number, 60_000_000)
        case .second: addTime(number, 1_000_000)
        case .millisecond: addTime(number, 1000)
        case .microsecond: addTime(number, 1)
        }
    }

    private mutating func addYears(_ number: Number, _ factor: Int128) {
        // Fractions of years are rounded to whole months.
        months += number.value * factor * 12 + rounded(number.billionths * factor * 12, 1_000_000_000)
    }

    /// Adds billionths of days: whole days and the rest as time.
    private mutating func addDays(_ billionths: Int128) {
        let billion: Int128 = 1_000_000_000
        let (whole, rest) = billionths.quotientAndRemainder(dividingBy: billion)
        days += whole
        micros += rounded(rest * 86_400_000_000, billion)
    }

    private mutating func addTime(_ number: Number, _ unit: Int128) {
        micros += number.value * unit + rounded(number.billionths * unit, 1_000_000_000)
    }

    // MARK: ISO 8601

    private mutating func designators() throws(SQLError) {
        at = 1
        var inTime = false
        guard at < text.count else { throw invalid }
        while at < text.count {
            if text[at] == 84 {
                guard !inTime, at + 1 < text.count else { throw invalid }
                inTime = true
                at += 1
                continue
            }
            let number = try number()
            hasAny = true
            if !inTime, next == 45 {
                try alternativeDate(number)
                continue
            }
            if inTime, next == 58 {
                try clock(number)
                continue
            }
            guard at < text.count else { throw invalid }
            let letter = text[at]
            at += 1
            switch (letter, inTime) {
            case (89, false): try add(number, .year)
            case (77, false): try add(number, .month)
            case (87, false): try add(number, .week)
            case (68, false): try add(number, .day)
            case (72, true): try add(number, .hour)
            case (77, true): try add(number, .minute)
            case (83, true): try add(number, .second)
            default: throw invalid
            }
        }
    }

    /// `P0001-02-03`.
    private mutating func alternativeDate(_ years: Number) throws(SQLError) {
        at += 1
        let monthPart = try number()
        var dayPart = Number()
        if next == 45 {
            at += 1
            dayPart = try number()
        }
        months += years.value * 12 + monthPart.value
        days += dayPart.value
    }
}
