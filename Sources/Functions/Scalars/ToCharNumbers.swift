// to_char of numbers: 'FM999,990.00', S, MI, PR, L, EEEE is not supported; to_number.
import Columns
import Diagnostics

/// A number template taken apart.
private struct NumberTemplate {
    var items: [UInt8] = []
    var isFilled = true
    var wholeDigits = 0
    var fractionDigits = 0
    var hasPoint = false
    /// Place of the first 0 among the whole digits, from the left; nil when there is none.
    var firstZero: Int?
    var hasSignStart = false
    var hasSignEnd = false
    var hasMinusStart = false
    var hasMinusEnd = false
    var hasBrackets = false
    var hasOrdinal = false
    var shift = 0
    /// Last fractional place that is 0: with FM, digits up to it stay.
    var lastZero = 0

    init(_ text: [UInt8]) throws(SQLError) {
        guard text.count <= 256 else { throw SQLError(.programLimitExceeded, "formatting template is too long") }
        var at = 0
        func word(_ name: StaticString) -> Bool {
            guard at + name.utf8CodeUnitCount <= text.count else { return false }
            for index in 0..<name.utf8CodeUnitCount where text[at + index] & ~32 != name.utf8Start[index] {
                return false
            }
            return true
        }
        while at < text.count {
            let byte = text[at]
            if word("FM") {
                isFilled = false
                at += 2
                continue
            }
            if word("MI") {
                if wholeDigits == 0 { hasMinusStart = true } else { hasMinusEnd = true }
                at += 2
                continue
            }
            if word("PR") {
                hasBrackets = true
                at += 2
                continue
            }
            if word("TH") {
                hasOrdinal = true
                at += 2
                continue
            }
            if word("EEEE") || word("RN") {
                throw SQLError(.featureNotSupported, "\"EEEE\" and \"RN\" are not supported")
            }
            switch byte {
            case UInt8(ascii: "9"), UInt8(ascii: "0"):
                if hasPoint {
                    fractionDigits += 1
                    if byte == 48 { lastZero = fractionDigits }
                } else if shift > 0 {
                    shift += 1
                } else {
                    if byte == 48, firstZero == nil { firstZero = wholeDigits }
                    wholeDigits += 1
                }
                items.append(byte)
            case UInt8(ascii: "."), UInt8(ascii: "D"), UInt8(ascii: "d"):
                if hasPoint { throw SQLError(.syntaxError, "multiple decimal points") }
                hasPoint = true
                items.append(46)
            case UInt8(ascii: ","), UInt8(ascii: "G"), UInt8(ascii: "g"): items.append(44)
            case UInt8(ascii: "S"), UInt8(ascii: "s"):
                if wholeDigits == 0, !hasPoint { hasSignStart = true } else { hasSignEnd = true }
            case UInt8(ascii: "L"), UInt8(ascii: "l"): items.append(contentsOf: [1, 32])
            case UInt8(ascii: "\""):
                at += 1
                while at < text.count, text[at] != 34 {
                    items.append(contentsOf: [1, text[at]])
                    at += 1
                }
            default: items.append(contentsOf: [1, byte])
            }
            at += 1
        }
    }

    /// Formats a finite number.
    func format(_ value: Numeric) throws(SQLError) -> [UInt8] {
        let rounded = try NumericMath.round(value, fractionDigits, .nearest)
        let isNegative = rounded.mantissa < 0
        let padded = rounded.rescaled(fractionDigits) ?? rounded
        var digits = Array(String(padded.mantissa.magnitude).utf8)
        while digits.count <= fractionDigits { digits.insert(48, at: 0) }
        var whole = Array(digits[0..<(digits.count - fractionDigits)])
        let fraction = Array(digits[(digits.count - fractionDigits)...])
        if whole == [48] { whole = [] }
        let isTooLong = whole.count > wholeDigits
        var body: [UInt8] = []
        var place = 0
        var fractionPlace = 0
        var isInFraction = false
        // Whole digits before this place are blank.
        let firstDigit = min(wholeDigits - whole.count, firstZero ?? wholeDigits)
        var index = 0
        // Where the digits begin: literal text before them stays before the sign.
        var start: Int?
        // With FM, zeros at the end of the fraction are left out down to the last 0 of the template.
        var lastShown = fractionDigits
        if !isFilled, !isTooLong {
            while lastShown > lastZero, fraction[lastShown - 1] == 48 { lastShown -= 1 }
        }
        while index < items.count {
            let item = items[index]
            index += 1
            if start == nil, item == 48 || item == 57 || item == 46 { start = body.count }
            switch item {
            case 1:
                body.append(items[index])
                index += 1
            case 46:
                isInFraction = true
                // A number without any digit to show gets one.
                if whole.isEmpty, firstZero == nil, lastShown == 0, !isFilled { body.append(48) }
                body.append(46)
            case 44:
                if isTooLong || place > firstDigit { body.append(44) } else if isFilled { body.append(32) }
            default:
                if isInFraction {
                    if fractionPlace < lastShown { body.append(isTooLong ? 35 : fraction[fractionPlace]) }
                    fractionPlace += 1
                } else {
                    if isTooLong {
                        body.append(35)
                    } else if place >= wholeDigits - whole.count {
                        body.append(whole[place - (wholeDigits - whole.count)])
                    } else if place >= firstDigit {
                        body.append(48)
                    } else if isFilled {
                        body.append(32)
                    }
                    place += 1
                }
            }
        }
        // A lone zero before nothing: '9' shows 0, '9.99' shows .50.
        if whole.isEmpty, firstZero == nil, wholeDigits > 0, !isTooLong, fractionDigits == 0 {
            if isFilled, let last = body.lastIndex(of: 32) { body[last] = 48 } else { body.append(48) }
        }
        return signed(body, isNegative, from: start ?? body.count)
    }

    private func signed(_ body: [UInt8], _ isNegative: Bool, from start: Int) -> [UInt8] {
        var out = body
        // The sign stands directly before the first digit.
        func insertSign(_ sign: UInt8) {
            let first = out[start...].firstIndex { $0 != 32 } ?? out.count
            out.insert(sign, at: first)
        }
        if hasBrackets {
            if isNegative {
                insertSign(60)
                out.append(62)
            } else if isFilled {
                out.insert(32, at: start)
                out.append(32)
            }
        } else if hasSignStart {
            insertSign(isNegative ? 45 : 43)
        } else if hasSignEnd {
            out.append(isNegative ? 45 : 43)
        } else if hasMinusStart {
            if isNegative { out.insert(45, at: 0) } else if isFilled { out.insert(32, at: 0) }
        } else if hasMinusEnd {
            if isNegative { out.append(45) } else if isFilled { out.append(32) }
        } else if isNegative {
            insertSign(45)
        } else if isFilled {
            out.insert(32, at: start)
        }
        return out
    }
}

enum ToCharNumbers {
    static let all: [Overload] = [
        Overload("to_char", [.int4, .text], .text, kernel { Numeric(Int128(Lane($0, Int32.self)[$1]), scale: 0) }),
        Overload("to_char", [.int8, .text], .text, kernel { Numeric(Int128(Lane($0, Int64.self)[$1]), scale: 0) }),
        Overload(
            "to_char", [.float4, .text], .text,
            kernel { Numeric(Double(Lane($0, Float.self)[$1]), significantDigits: 6) }),
        Overload("to_char", [.float8, .text], .text, kernel { Numeric(Lane($0, Double.self)[$1]) }),
        Overload("to_char", [.numeric, .text], .text, kernel { Lane($0, Numeric.self)[$1] }),
        Overload("to_number", [.text, .text], .numeric, toNumber),
    ]

    private static func kernel(_ read: @escaping @Sendable (Column, Int) -> Numeric?) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let formats = Lane(a[1], StringView.self)
            var template: NumberTemplate?
            var known: StringView?
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let format = formats[row]
                let current: NumberTemplate
                if let template, known.map({ StringView.equal($0, format) }) == true {
                    current = template
                } else {
                    current = try NumberTemplate(TextKernels.bytes(format))
                    (template, known) = (current, format)
                }
                guard let value = read(a[0], row) else { throw DecimalMath.overflow }
                if value.isFinite {
                    out = try current.format(value)
                } else {
                    out = Array((value.isNaN ? "NaN" : value.mantissa > 0 ? "Infinity" : "-Infinity").utf8)
                }
                return true
            }
        }
    }

    /// Takes the digits, the point and a sign from the text; everything else is dressing.
    private static let toNumber: Kernel = { (_, a, rows) throws(SQLError) in
        try Loops.binaryThrowing(a[0], a[1], rows, .numeric) {
            (text: StringView, format: StringView) throws(SQLError) -> Numeric in
            let template = try NumberTemplate(TextKernels.bytes(format))
            var digits: [UInt8] = []
            var isNegative = false
            var hasPoint = false
            for byte in TextKernels.bytes(text) {
                switch byte {
                case 48...57: digits.append(byte)
                case 46 where template.hasPoint && !hasPoint:
                    hasPoint = true
                    digits.append(46)
                case 45, 60: isNegative = true
                default: break
                }
            }
            guard digits.contains(where: { $0 != 46 }) else {
                throw SQLError(.invalidTextRepresentation, "invalid input syntax for type numeric: \" \"")
            }
            if isNegative { digits.insert(45, at: 0) }
            let result: Result<Numeric, SQLError> = digits.withUnsafeBytes { raw in
                do throws(SQLError) { return .success(try TextParse.numeric(raw)) } catch { return .failure(error) }
            }
            return try result.get()
        }
    }
}
