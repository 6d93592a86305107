// Templates of to_char and to_date: 'YYYY-MM-DD HH24:MI:SS' taken apart into fields and literal text.
import Columns
import Diagnostics

/// One piece of a template.
struct TemplateItem: Sendable {
    enum Field: String, CaseIterable, Sendable {
        case hh24 = "HH24", hh12 = "HH12", hh = "HH", mi = "MI", ssssS = "SSSSS", ssss = "SSSS", ss = "SS", ms = "MS"
        case us = "US", ff1 = "FF1", ff2 = "FF2", ff3 = "FF3", ff4 = "FF4", ff5 = "FF5", ff6 = "FF6"
        case am = "AM", pm = "PM", amDots = "A.M.", pmDots = "P.M."
        case yComma = "Y,YYY", yyyy = "YYYY", yyy = "YYY", yy = "YY", y = "Y"
        case iyyy = "IYYY", iyy = "IYY", iy = "IY", i = "I"
        case month = "MONTH", mon = "MON", mm = "MM", day = "DAY", dy = "DY", ddd = "DDD", dd = "DD", d = "D"
        case iddd = "IDDD", id = "ID", w = "W", ww = "WW", iw = "IW", cc = "CC", j = "J", q = "Q", rm = "RM"
        case tzh = "TZH", tzm = "TZM", tz = "TZ", of = "OF", bc = "BC", ad = "AD", bcDots = "B.C.", adDots = "A.D."
    }

    /// How the letters of a name were written.
    enum Style: Sendable { case upper, capital, lower }

    var field: Field?
    var literal: [UInt8] = []
    var style = Style.upper
    var isFilled = true
    /// TH or th behind the field.
    var ordinal: Style?

    /// The longest template.
    private static let templateBytesMax = 1024

    /// Longest names first, so that YYYY wins over YY.
    private static let fields: [(name: [UInt8], field: Field)] = Field.allCases
        .map { (Array($0.rawValue.utf8), $0) }.sorted { $0.0.count > $1.0.count }

    static func parse(_ text: [UInt8]) throws(SQLError) -> [TemplateItem] {
        guard text.count <= templateBytesMax else {
            throw SQLError(.programLimitExceeded, "formatting template is too long")
        }
        var items: [TemplateItem] = []
        var at = 0
        while at < text.count {
            if text[at] == 34 {
                var literal: [UInt8] = []
                at += 1
                while at < text.count, text[at] != 34 {
                    if text[at] == 92, at + 1 < text.count { at += 1 }
                    literal.append(text[at])
                    at += 1
                }
                at += 1
                items.append(TemplateItem(field: nil, literal: literal))
                continue
            }
            var isFilled = true
            var look = at
            while look + 1 < text.count,
                matches(text, look, "FM") || matches(text, look, "TM") || matches(text, look, "FX")
            {
                if matches(text, look, "FM") || matches(text, look, "TM") { isFilled = false }
                look += 2
            }
            if let (name, field) = fields.first(where: { matches(text, look, $0.name) }) {
                var item = TemplateItem(field: field, isFilled: isFilled)
                item.style = style(Array(text[look..<(look + name.count)]))
                at = look + name.count
                if at + 1 < text.count, matches(text, at, "TH") {
                    item.ordinal = text[at] == 84 ? .upper : .lower
                    at += 2
                }
                items.append(item)
                continue
            }
            items.append(TemplateItem(field: nil, literal: [text[at]]))
            at += 1
        }
        return items
    }

    private static func matches(_ text: [UInt8], _ at: Int, _ word: StaticString) -> Bool {
        guard at + word.utf8CodeUnitCount <= text.count else { return false }
        for index in 0..<word.utf8CodeUnitCount where text[at + index] & ~32 != word.utf8Start[index] { return false }
        return true
    }

    private static func matches(_ text: [UInt8], _ at: Int, _ word: [UInt8]) -> Bool {
        guard at + word.count <= text.count else { return false }
        for (index, byte) in word.enumerated() {
            let other = text[at + index]
            let isLetter = byte >= 65 && byte <= 90
            if other != byte, !(isLetter && other == byte | 32) { return false }
        }
        return true
    }

    private static func style(_ name: [UInt8]) -> Style {
        guard let first = name.first, first >= 97 || name.count > 1 else { return .upper }
        if first >= 97 { return .lower }
        return name[1] >= 97 ? .capital : .upper
    }
}
