// regexp_replace, regexp_match and their relatives, substring by pattern, SIMILAR TO.
import Columns
import Diagnostics

enum RegexFunctions {
    static let all: [Overload] =
        replacing + matching + counting + splitting + [
            Overload("substring", [.text, .text], .text, substring),
            Overload("similar_to_escape", [.text], .text, similar(hasEscape: false)),
            Overload("similar_to_escape", [.text, .text], .text, similar(hasEscape: true)),
        ]

    /// Reads PostgreSQL's flags.
    static func options(_ flags: String, allowsGlobal: Bool, _ name: String) throws(SQLError) -> CompiledRegex.Options {
        var options = CompiledRegex.Options()
        for flag in flags.utf8 {
            switch flag {
            case UInt8(ascii: "g"):
                guard allowsGlobal else {
                    throw SQLError(
                        .invalidParameterValue, "\(name) does not support the \"global\" option",
                        hint: name == "regexp_match()" ? "Use the regexp_matches function instead." : nil)
                }
                options.isGlobal = true
            case UInt8(ascii: "i"): options.ignoresCase = true
            case UInt8(ascii: "c"): options.ignoresCase = false
            case UInt8(ascii: "n"), UInt8(ascii: "m"), UInt8(ascii: "w"), UInt8(ascii: "p"): options.isMultiline = true
            case UInt8(ascii: "s"): options.isMultiline = false
            case UInt8(ascii: "x"): options.isExtended = true
            case UInt8(ascii: "t"), UInt8(ascii: "e"), UInt8(ascii: "b"): break
            case UInt8(ascii: "q"): options.isLiteral = true
            default:
                throw SQLError(
                    .invalidParameterValue,
                    "invalid regular expression option: \"\(String(decoding: [flag], as: UTF8.self))\"")
            }
        }
        return options
    }

    /// Arguments by role; the same kernel serves all arities.
    private struct Inputs {
        let text: Lane<StringView>
        let pattern: Lane<StringView>
        let flags: Lane<StringView>?

        init(_ a: [Column], flags index: Int) {
            text = Lane(a[0])
            pattern = Lane(a[1])
            flags = index < a.count ? Lane(a[index]) : nil
        }

        func options(_ row: Int, allowsGlobal: Bool, _ name: String) throws(SQLError) -> CompiledRegex.Options {
            guard let flags else { return CompiledRegex.Options() }
            return try RegexFunctions.options(flags[row].string, allowsGlobal: allowsGlobal, name)
        }
    }

    /// An optional number among the arguments.
    private struct Numbers {
        private let lane: Lane<Int32>?
        private let name: String
        private let range: ClosedRange<Int32>

        init(_ a: [Column], at index: Int, _ name: String, least: Int32, most: Int32 = .max) {
            lane = index < a.count ? Lane(a[index]) : nil
            self.name = name
            range = least...most
        }

        func value(_ row: Int, missing: Int) throws(SQLError) -> Int {
            guard let lane else { return missing }
            guard range.contains(lane[row]) else {
                throw SQLError(.invalidParameterValue, "invalid value for parameter \"\(name)\": \(lane[row])")
            }
            return Int(lane[row])
        }
    }

    /// Calls the body with every match from an offset; the body says whether to go on.
    private static func eachMatch(
        _ regex: CompiledRegex, _ text: UnsafeRawBufferPointer, from start: Int = 0,
        _ body: (Range<Int>) throws(SQLError) -> Bool
    ) throws(SQLError) {
        var at = start
        while at <= text.count, try regex.match(text, from: at), let range = regex.range(0) {
            guard try body(range) else { return }
            // After an empty match the search goes on behind the next character.
            if range.isEmpty {
                at = range.upperBound < text.count ? TextOps.next(text, range.upperBound) : text.count + 1
            } else {
                at = range.upperBound
            }
        }
    }

    // MARK: Replacing

    private static let replacing: [Overload] = [
        Overload("regexp_replace", [.text, .text, .text], .text, replace),
        Overload("regexp_replace", [.text, .text, .text, .text], .text, replace),
        Overload("regexp_replace", [.text, .text, .text, .int4], .text, replace),
        Overload("regexp_replace", [.text, .text, .text, .int4, .int4], .text, replace),
        Overload("regexp_replace", [.text, .text, .text, .int4, .int4, .text], .text, replace),
    ]

    /// regexp_replace(text, pattern, new, flags) or (text, pattern, new, start, nth, flags); the 0th is every one.
    private static let replace: Kernel = { (_, a, rows) throws(SQLError) in
        let hasStart = a.count > 3 && a[3].type == .int4
        let inputs = Inputs(a, flags: hasStart ? 5 : 3)
        let news = Lane(a[2], StringView.self)
        let starts = Numbers(a, at: hasStart ? 3 : a.count, "start", least: 1)
        let places = Numbers(a, at: hasStart ? 4 : a.count, "n", least: 0)
        var cache = RegexCache()
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            let options = try inputs.options(row, allowsGlobal: true, "regexp_replace()")
            let regex = try cache.get(inputs.pattern[row], options)
            let new = TextKernels.bytes(news[row])
            let start = try starts.value(row, missing: 1)
            // Where an n is given it counts, and not the flag g.
            let wanted = try places.value(row, missing: options.isGlobal ? 0 : 1)
            try inputs.text[row].read { (text) throws(SQLError) in
                var copied = 0
                var seen = 0
                let from = start <= TextOps.characters(text) + 1 ? TextOps.offset(text, ofCharacter: start - 1) : nil
                try eachMatch(regex, text, from: from ?? text.count + 1) { (range) throws(SQLError) in
                    seen += 1
                    if wanted > 0, seen < wanted { return true }
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[copied..<range.lowerBound]))
                    append(new, regex, text, &out)
                    copied = range.upperBound
                    try StringFunctions.checkLength(out.count)
                    return wanted == 0
                }
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[copied...]))
            }
            return true
        }
    }

    /// A replacement with \1 to \9, \& and \\.
    private static func append(
        _ new: [UInt8], _ regex: CompiledRegex, _ text: UnsafeRawBufferPointer, _ out: inout [UInt8]
    ) {
        var at = 0
        while at < new.count {
            guard new[at] == 92, at + 1 < new.count else {
                out.append(new[at])
                at += 1
                continue
            }
            let next = new[at + 1]
            if next &- 49 < 9 || next == 38 {
                if let range = regex.range(next == 38 ? 0 : Int(next - 48)) {
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[range]))
                }
            } else if next == 92 {
                out.append(92)
            } else {
                out.append(contentsOf: [92, next])
            }
            at += 2
        }
    }

    // MARK: Matching

    private static let matching: [Overload] = [
        Overload("regexp_match", [.text, .text], .array(.text), match),
        Overload("regexp_match", [.text, .text, .text], .array(.text), match),
        // What regexp_matches() gives as rows.
        Overload("regexp_all_matches", [.text, .text], .array(.array(.text)), allMatches),
        Overload("regexp_all_matches", [.text, .text, .text], .array(.array(.text)), allMatches),
        Overload("regexp_like", [.text, .text], .boolean, like),
        Overload("regexp_like", [.text, .text, .text], .boolean, like),
        Overload("regexp_substr", [.text, .text], .text, extract(group: false, missingIsNull: true)),
        Overload("regexp_substr", [.text, .text, .int4, .int4, .text, .int4], .text, optional: 3, part),
        // DuckDB's names.
        Overload("regexp_matches", [.text, .text], .boolean, like),
        Overload("regexp_extract", [.text, .text], .text, extract(group: false)),
        Overload("regexp_extract", [.text, .text, .int4], .text, extract(group: true)),
    ]

    private static let match: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 2)
        var cache = RegexCache()
        let builder = ColumnBuilder(.array(.text), capacity: rows)
        let validity = Loops.validity(a, rows)
        for row in 0..<rows {
            if let validity, !Bitmap.get(validity.pointer(UInt64.self), row) {
                builder.appendNull()
                continue
            }
            let regex = try cache.get(
                inputs.pattern[row], try inputs.options(row, allowsGlobal: false, "regexp_match()"))
            let groups = try inputs.text[row].read { (text) throws(SQLError) -> [Scalar]? in
                try regex.match(text) ? RegexFunctions.groups(regex, text) : nil
            }
            if let groups { builder.append(Scalar(.array(.text), .array(groups))) } else { builder.appendNull() }
        }
        return builder.finish()
    }

    /// The groups of the last match; without groups all that matched.
    private static func groups(_ regex: CompiledRegex, _ text: UnsafeRawBufferPointer) -> [Scalar] {
        (regex.groups == 0 ? 0...0 : 1...regex.groups).map { group in
            guard let range = regex.range(group) else { return .null(.text) }
            return .text(String(decoding: UnsafeRawBufferPointer(rebasing: text[range]), as: UTF8.self))
        }
    }

    private static let allMatches: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 2)
        var cache = RegexCache()
        let builder = ColumnBuilder(.array(.array(.text)), capacity: rows)
        let validity = Loops.validity(a, rows)
        for row in 0..<rows {
            if let validity, !Bitmap.get(validity.pointer(UInt64.self), row) {
                builder.appendNull()
                continue
            }
            let options = try inputs.options(row, allowsGlobal: true, "regexp_matches()")
            let regex = try cache.get(inputs.pattern[row], options)
            var found: [Scalar] = []
            try inputs.text[row].read { (text) throws(SQLError) in
                try eachMatch(regex, text) { (_) throws(SQLError) in
                    found.append(Scalar(.array(.text), .array(groups(regex, text))))
                    return options.isGlobal
                }
            }
            builder.append(Scalar(.array(.array(.text)), .array(found)))
        }
        return builder.finish()
    }

    private static let like: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 2)
        var cache = RegexCache()
        let out = Buffer(count: max(1, rows), of: UInt8.self)
        let validity = Loops.validity(a, rows)
        if validity != nil { out.fill(0) }
        let o = out.pointer(UInt8.self)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let regex = try cache.get(
                inputs.pattern[row], try inputs.options(row, allowsGlobal: false, "regexp_like()"))
            o[row] = try inputs.text[row].read { (text) throws(SQLError) in try regex.match(text) } ? 1 : 0
        }
        return Column(.boolean, count: rows, values: out, validity: validity)
    }

    /// The first group when there is one, else the whole match; NULL when there is no match.
    private static let substring: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 2)
        var cache = RegexCache()
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            let regex = try cache.get(inputs.pattern[row], CompiledRegex.Options())
            return try inputs.text[row].read { (text) throws(SQLError) -> Bool in
                guard try regex.match(text), let range = regex.range(regex.groups > 0 ? 1 : 0) else { return false }
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[range]))
                return true
            }
        }
    }

    private static func extract(group: Bool, missingIsNull: Bool = false) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let inputs = Inputs(a, flags: a.count)
            let groups = group ? Lane(a[2], Int32.self) : nil
            var cache = RegexCache()
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let regex = try cache.get(inputs.pattern[row], CompiledRegex.Options())
                let wanted = groups.map { Int($0[row]) } ?? 0
                return try inputs.text[row].read { (text) throws(SQLError) -> Bool in
                    guard wanted >= 0, wanted <= regex.groups, try regex.match(text), let range = regex.range(wanted)
                    else { return !missingIsNull }
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[range]))
                    return true
                }
            }
        }
    }

    /// regexp_substr(text, pattern, start, nth, flags, group).
    private static let part: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 4)
        let starts = Numbers(a, at: 2, "start", least: 1)
        let places = Numbers(a, at: 3, "n", least: 1)
        let groups = Numbers(a, at: 5, "subexpr", least: 0)
        var cache = RegexCache()
        return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            let start = try starts.value(row, missing: 1)
            var left = try places.value(row, missing: 1)
            let group = try groups.value(row, missing: 0)
            let regex = try cache.get(
                inputs.pattern[row], try inputs.options(row, allowsGlobal: false, "regexp_substr()"))
            return try inputs.text[row].read { (text) throws(SQLError) in
                var isFound = false
                guard start <= TextOps.characters(text) + 1 else { return false }
                try eachMatch(regex, text, from: TextOps.offset(text, ofCharacter: start - 1)) {
                    (_) throws(SQLError) in
                    left -= 1
                    guard left == 0 else { return true }
                    if let range = regex.range(group) {
                        out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[range]))
                        isFound = true
                    }
                    return false
                }
                return isFound
            }
        }
    }

    // MARK: Counting

    private static let counting: [Overload] = [
        Overload("regexp_count", [.text, .text], .int4, count),
        Overload("regexp_count", [.text, .text, .int4], .int4, count),
        Overload("regexp_count", [.text, .text, .int4, .text], .int4, count),
        Overload("regexp_instr", [.text, .text, .int4, .int4, .int4, .text, .int4], .int4, optional: 5, place),
    ]

    /// regexp_instr(text, pattern, start, nth, end, flags, group): the place of the nth match, or of what follows it.
    private static let place: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 5)
        let starts = Numbers(a, at: 2, "start", least: 1)
        let places = Numbers(a, at: 3, "n", least: 1)
        let ends = Numbers(a, at: 4, "endoption", least: 0, most: 1)
        let groups = Numbers(a, at: 6, "subexpr", least: 0)
        var cache = RegexCache()
        let out = Buffer(count: max(1, rows), of: Int32.self)
        out.fill(0)
        let validity = Loops.validity(a, rows)
        let o = out.pointer(Int32.self)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let start = try starts.value(row, missing: 1)
            var left = try places.value(row, missing: 1)
            let wantsEnd = try ends.value(row, missing: 0) == 1
            let group = try groups.value(row, missing: 0)
            let regex = try cache.get(
                inputs.pattern[row], try inputs.options(row, allowsGlobal: false, "regexp_instr()"))
            try inputs.text[row].read { (text) throws(SQLError) in
                guard start <= TextOps.characters(text) + 1 else { return }
                try eachMatch(regex, text, from: TextOps.offset(text, ofCharacter: start - 1)) {
                    (_) throws(SQLError) in
                    left -= 1
                    guard left == 0 else { return true }
                    guard let range = regex.range(group) else { return false }
                    let head = text[0..<(wantsEnd ? range.upperBound : range.lowerBound)]
                    o[row] = Int32(truncatingIfNeeded: TextOps.characters(UnsafeRawBufferPointer(rebasing: head)) + 1)
                    return false
                }
            }
        }
        return Column(.int4, count: rows, values: out, validity: validity)
    }

    private static let count: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 3)
        let starts = Numbers(a, at: 2, "start", least: 1)
        var cache = RegexCache()
        let out = Buffer(count: max(1, rows), of: Int32.self)
        let validity = Loops.validity(a, rows)
        if validity != nil { out.fill(0) }
        let o = out.pointer(Int32.self)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let start = try starts.value(row, missing: 1)
            let regex = try cache.get(
                inputs.pattern[row], try inputs.options(row, allowsGlobal: false, "regexp_count()"))
            var total: Int32 = 0
            try inputs.text[row].read { (text) throws(SQLError) in
                try eachMatch(regex, text, from: TextOps.offset(text, ofCharacter: start - 1)) {
                    (_) throws(SQLError) in
                    total += 1
                    return true
                }
            }
            o[row] = total
        }
        return Column(.int4, count: rows, values: out, validity: validity)
    }

    // MARK: Splitting

    private static let splitting: [Overload] = [
        Overload("regexp_split_to_array", [.text, .text], .array(.text), split),
        Overload("regexp_split_to_array", [.text, .text, .text], .array(.text), split),
    ]

    private static let split: Kernel = { (_, a, rows) throws(SQLError) in
        let inputs = Inputs(a, flags: 2)
        var cache = RegexCache()
        let builder = ColumnBuilder(.array(.text), capacity: rows)
        let validity = Loops.validity(a, rows)
        for row in 0..<rows {
            if let validity, !Bitmap.get(validity.pointer(UInt64.self), row) {
                builder.appendNull()
                continue
            }
            let regex = try cache.get(
                inputs.pattern[row], try inputs.options(row, allowsGlobal: false, "regexp_split_to_array()"))
            var parts: [Scalar] = []
            try inputs.text[row].read { (text) throws(SQLError) in
                var start = 0
                try eachMatch(regex, text) { (range) throws(SQLError) in
                    // Empty matches at the ends and right after a match do not split.
                    if range.isEmpty, range.lowerBound == start || range.lowerBound == text.count { return true }
                    let part = UnsafeRawBufferPointer(rebasing: text[start..<range.lowerBound])
                    parts.append(.text(String(decoding: part, as: UTF8.self)))
                    start = range.upperBound
                    return true
                }
                let rest = UnsafeRawBufferPointer(rebasing: text[start...])
                parts.append(.text(String(decoding: rest, as: UTF8.self)))
            }
            builder.append(Scalar(.array(.text), .array(parts)))
        }
        return builder.finish()
    }

    // MARK: SIMILAR TO

    private static func similar(hasEscape: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let patterns = Lane(a[0], StringView.self)
            let escapes = hasEscape ? Lane(a[1], StringView.self) : patterns
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let escape = hasEscape ? TextKernels.bytes(escapes[row]) : [92]
                guard escape.count <= 1 else {
                    throw SQLError(
                        .invalidEscapeSequence, "invalid escape string",
                        hint: "Escape string must be empty or one character.")
                }
                out = try similarPattern(TextKernels.bytes(patterns[row]), escape.first)
                return true
            }
        }
    }

    /// Turns a SIMILAR TO pattern into an anchored regular expression. An escape character and a quotation mark set off
    /// the part that SUBSTRING returns: what stands before it matches as little as it can.
    private static func similarPattern(_ pattern: [UInt8], _ escape: UInt8?) throws(SQLError) -> [UInt8] {
        let quote = UInt8(ascii: "\"")
        var marks = 0
        var out = Array("^(?:".utf8)
        var inClass = false
        var at = 0
        while at < pattern.count {
            let byte = pattern[at]
            if byte == escape, at + 1 < pattern.count {
                if pattern[at + 1] == quote, !inClass {
                    marks += 1
                    guard marks <= 2 else {
                        throw SQLError(
                            SQLState("2200C"),
                            "SQL regular expression may not contain more than two escape-double-quote separators")
                    }
                    if marks == 1 { out.replaceSubrange(1..<4, with: Array("(?U:".utf8)) }
                    out.append(contentsOf: (marks == 1 ? ")(" : ")(?:").utf8)
                    at += 2
                    continue
                }
                out.append(contentsOf: [92, pattern[at + 1]])
                at += 2
                continue
            }
            if inClass {
                if byte == 92 { out.append(92) }
                if byte == 93 { inClass = false }
                out.append(byte)
            } else {
                switch byte {
                case UInt8(ascii: "["):
                    inClass = true
                    out.append(byte)
                case UInt8(ascii: "%"): out.append(contentsOf: ".*".utf8)
                case UInt8(ascii: "_"): out.append(UInt8(ascii: "."))
                case UInt8(ascii: "("): out.append(contentsOf: "(?:".utf8)
                case UInt8(ascii: "\\"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "$"):
                    out.append(contentsOf: [92, byte])
                default: out.append(byte)
                }
            }
            at += 1
        }
        out.append(contentsOf: ")$".utf8)
        return out
    }
}
