// Finding, replacing, splitting, joining and quoting of strings; format().
import Columns
import Diagnostics

enum StringSearch {
    static let all: [Overload] = finding + replacing + joining + quoting

    static let operators: [Overload] = [
        concatenation([.type(.text), .type(.text)]),
        concatenation([.type(.text), .anyNonArray]), concatenation([.anyNonArray, .type(.text)]),
        Overload("||", [.bytea, .bytea], .bytea, append),
    ]

    // MARK: Finding

    private static let finding: [Overload] =
        ["strpos", "instr"].map { name in
            Overload(name, [.text, .text], .int4, canFail: false, position(needle: 1))
        } + [
            // position(needle IN text): the grammar passes the needle first.
            Overload("position", [.text, .text], .int4, canFail: false, position(needle: 0)),
            predicate("contains") { (text, other) in TextOps.find(other, in: text) != nil },
            predicate("prefix") { (text, other) in TextOps.hasPrefix(text, other) },
            predicate("suffix") { (text, other) in
                text.count >= other.count && TextOps.hasPrefix(text, other, at: text.count - other.count)
            },
            predicate("ends_with") { (text, other) in
                text.count >= other.count && TextOps.hasPrefix(text, other, at: text.count - other.count)
            },
            Overload("split_part", [.text, .text, .int4], .text, splitPart),
        ]

    private static func predicate(
        _ name: String, _ body: @escaping @Sendable (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
    ) -> Overload {
        Overload(name, [.text, .text], .boolean, canFail: false) { (_, a, rows) throws(SQLError) in
            Loops.binary(a[0], a[1], rows, .boolean) { (x: StringView, y: StringView) -> UInt8 in
                x.withBytes { text in y.withBytes { body(text, $0) ? 1 : 0 } }
            }
        }
    }

    /// Characters before the first place of the needle plus one; 0 when there is none.
    private static func position(needle: Int) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            Loops.binary(a[1 - needle], a[needle], rows, .int4) { (x: StringView, y: StringView) -> Int32 in
                x.withBytes { text in
                    y.withBytes { other in
                        guard let at = TextOps.find(other, in: text) else { return 0 }
                        let before = UnsafeRawBufferPointer(rebasing: text[0..<at])
                        return Int32(truncatingIfNeeded: TextOps.characters(before) + 1)
                    }
                }
            }
        }
    }

    private static let splitPart: Kernel = { (_, a, rows) throws(SQLError) in
        let (texts, separators) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
        let fields = Lane(a[2], Int32.self)
        let sink = TextSink(rows: rows)
        let validity = Loops.validity(a, rows)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let wanted = Int(fields[row])
            if wanted == 0 { throw SQLError(.invalidParameterValue, "field position must not be zero") }
            let view = texts[row]
            let part = view.withBytes { text in separators[row].withBytes { field(text, $0, wanted) } }
            if let part { sink.set(row, view: view.slice(part.lowerBound, part.count)) }
        }
        return sink.finish(.text, validity: validity, sharing: a[0].heaps)
    }

    /// Bytes of a field, counted from 1, or from the end when negative.
    private static func field(
        _ text: UnsafeRawBufferPointer, _ separator: UnsafeRawBufferPointer, _ wanted: Int
    ) -> Range<Int>? {
        guard separator.count > 0 else { return wanted == 1 || wanted == -1 ? 0..<text.count : nil }
        var target = wanted
        if wanted < 0 {
            var total = 1
            var at = 0
            while let hit = TextOps.find(separator, in: text, from: at) {
                total += 1
                at = hit + separator.count
            }
            target = total + wanted + 1
            if target < 1 { return nil }
        }
        var start = 0
        var index = 1
        while true {
            let hit = TextOps.find(separator, in: text, from: start)
            if index == target { return start..<(hit ?? text.count) }
            guard let hit else { return nil }
            start = hit + separator.count
            index += 1
        }
    }

    // MARK: Replacing

    private static let replacing: [Overload] = [
        Overload("replace", [.text, .text, .text], .text) { (_, a, rows) throws(SQLError) in
            let (texts, olds, news) = (
                Lane(a[0], StringView.self), Lane(a[1], StringView.self), Lane(a[2], StringView.self)
            )
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let new = TextKernels.bytes(news[row])
                texts[row].withBytes { text in
                    olds[row].withBytes { old in replace(text, old, new, &out) }
                }
                try StringFunctions.checkLength(out.count)
                return true
            }
        },
        Overload("translate", [.text, .text, .text], .text, canFail: false) { (_, a, rows) throws(SQLError) in
            let (texts, froms, tos) = (
                Lane(a[0], StringView.self), Lane(a[1], StringView.self), Lane(a[2], StringView.self)
            )
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let from = froms[row].withBytes { scalars($0) }
                let to = tos[row].withBytes { scalars($0) }
                for scalar in texts[row].withBytes({ scalars($0) }) {
                    guard let index = from.firstIndex(of: scalar) else {
                        TextOps.append(scalar, to: &out)
                        continue
                    }
                    if index < to.count { TextOps.append(to[index], to: &out) }
                }
                return true
            }
        },
        Overload("overlay", [.text, .text, .int4], .text, overlay(hasCount: false)),
        Overload("overlay", [.text, .text, .int4, .int4], .text, overlay(hasCount: true)),
    ]

    static func replace(
        _ text: UnsafeRawBufferPointer, _ old: UnsafeRawBufferPointer, _ new: [UInt8], _ out: inout [UInt8]
    ) {
        var at = 0
        while old.count > 0, let hit = TextOps.find(old, in: text, from: at) {
            out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[at..<hit]))
            out.append(contentsOf: new)
            at = hit + old.count
        }
        out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[at...]))
    }

    private static func scalars(_ text: UnsafeRawBufferPointer) -> [UInt32] {
        var result: [UInt32] = []
        var at = 0
        while at < text.count {
            result.append(TextOps.scalar(text, at))
            at = TextOps.next(text, at)
        }
        return result
    }

    private static func overlay(hasCount: Bool) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            let (texts, news, starts) = (
                Lane(a[0], StringView.self), Lane(a[1], StringView.self), Lane(a[2], Int32.self)
            )
            let counts = hasCount ? Lane(a[3], Int32.self) : starts
            return try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
                let start = Int(starts[row])
                guard start > 0 else { throw SQLError(.substringError, "negative substring length not allowed") }
                let new = TextKernels.bytes(news[row])
                let count = hasCount ? Int(counts[row]) : new.withUnsafeBytes { TextOps.characters($0) }
                texts[row].withBytes { text in
                    let low = TextOps.offset(text, ofCharacter: start - 1)
                    let high = TextOps.offset(text, ofCharacter: max(0, start - 1 + count))
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[0..<low]))
                    out.append(contentsOf: new)
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[high...]))
                }
                return true
            }
        }
    }

    // MARK: Joining

    private static let append: Kernel = { (_, a, rows) throws(SQLError) in
        let (left, right) = (Lane(a[0], StringView.self), Lane(a[1], StringView.self))
        let sink = TextSink(rows: rows)
        let validity = Loops.validity(a, rows)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let (x, y) = (left[row], right[row])
            let target = try sink.room(x.count + y.count)
            x.copy(to: target)
            y.copy(to: target + x.count)
            sink.commit(row, x.count + y.count)
        }
        return sink.finish(a[0].type == .bytea ? .bytea : .text, validity: validity)
    }

    /// text || anything: the other side is cast to text.
    private static func concatenation(_ parameters: [Parameter]) -> Overload {
        Overload("||", parameters) { (call) throws(SQLError) in
            let arguments = call.types.map { type -> SQLType in
                if case .varchar = type { return type }
                return .text
            }
            return Binding(arguments: arguments, result: .text, kernel: append)
        }
    }

    private static let joining: [Overload] = [
        Overload("concat", [.any], isVariadic: true, isStrict: false) { (call) throws(SQLError) in
            Binding(arguments: outputs(call), result: .text) { (_, a, rows) throws(SQLError) in
                try join(printed(a, rows), rows, separator: nil, first: 0)
            }
        },
        Overload("concat_ws", [.type(.text), .any], optional: 1, isVariadic: true, isStrict: false) {
            (call) throws(SQLError) in
            Binding(arguments: outputs(call), result: .text) { (_, a, rows) throws(SQLError) in
                try join(printed(a, rows), rows, separator: a[0], first: 1)
            }
        },
        Overload("format", [.type(.text), .any], optional: 1, isVariadic: true, isStrict: false) {
            (call) throws(SQLError) in
            Binding(arguments: outputs(call), result: .text) { (context, a, rows) throws(SQLError) in
                try FormatFunction.kernel(context, printed(a, rows), rows)
            }
        },
    ]

    /// Arguments as text, but as output functions print them, which differs from casts for boolean and char(n).
    private static func outputs(_ call: Call) -> [SQLType] {
        call.types.map { type in
            switch type {
            case .boolean, .char, .varchar: type
            default: .text
            }
        }
    }

    private static func printed(_ a: [Column], _ rows: Int) -> [Column] {
        let letters: (StaticString, StaticString) = ("t", "f")
        let (yes, no) = (StringView(letters.0.utf8Start, 1), StringView(letters.1.utf8Start, 1))
        return a.map { column in
            guard column.physical == .bool else { return column }
            return Loops.unary(column, rows, .text) { (x: UInt8) -> StringView in x != 0 ? yes : no }
        }
    }

    private static func join(
        _ a: [Column], _ rows: Int, separator: Column?, first: Int
    ) throws(SQLError) -> Column {
        let lanes = a.map { Lane($0, StringView.self) }
        let validity = separator.flatMap { Flatten.validity($0) }
        let sink = TextSink(rows: rows)
        var scratch: [UInt8] = []
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            scratch.removeAll(keepingCapacity: true)
            var isFirst = true
            for index in first..<a.count where a[index].isValid(row) {
                if !isFirst, separator != nil { lanes[0][row].withBytes { scratch.append(contentsOf: $0) } }
                lanes[index][row].withBytes { scratch.append(contentsOf: $0) }
                isFirst = false
            }
            try StringFunctions.checkLength(scratch.count)
            try sink.set(row, scratch)
        }
        return sink.finish(.text, validity: validity)
    }

    // MARK: Quoting

    private static let quoting: [Overload] = [
        Overload(
            "quote_ident", [.text], .text, canFail: false,
            TextKernels.unary { (raw, out) throws(SQLError) in
                appendIdentifier(raw, &out)
            }),
        Overload(
            "quote_literal", [.text], .text, canFail: false,
            TextKernels.unary { (raw, out) throws(SQLError) in
                appendLiteral(raw, &out)
            }),
        Overload("quote_literal", [.anyElement], canFail: false) { (_) throws(SQLError) in
            Binding(
                arguments: [.text], result: .text,
                kernel: TextKernels.unary { (raw, out) throws(SQLError) in appendLiteral(raw, &out) })
        },
        Overload("quote_nullable", [.text], .text, isStrict: false, canFail: false, nullable),
        Overload("quote_nullable", [.anyElement], isStrict: false, canFail: false) { (_) throws(SQLError) in
            Binding(arguments: [.text], result: .text, kernel: nullable)
        },
    ]

    private static let nullable: Kernel = { (_, a, rows) throws(SQLError) in
        let sink = TextSink(rows: rows)
        let lane = Lane(a[0], StringView.self)
        var scratch: [UInt8] = []
        for row in 0..<rows {
            scratch.removeAll(keepingCapacity: true)
            if a[0].isValid(row) {
                lane[row].withBytes { appendLiteral($0, &scratch) }
            } else {
                scratch.append(contentsOf: "NULL".utf8)
            }
            try sink.set(row, scratch)
        }
        return sink.finish(.text, validity: nil)
    }

    /// Words that need quotes as identifiers although they look like plain ones.
    private static let reserved: Set<String> = Set(
        """
        all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case \
        cast char character check coalesce collate collation column concurrently constraint create cross \
        current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
        decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign \
        freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect \
        interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural \
        nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay \
        placing position precision primary real references returning right row select session_user setof similar \
        smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union \
        unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement \
        xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
        """.split(separator: " ").map(String.init))

    static func appendIdentifier(_ raw: UnsafeRawBufferPointer, _ out: inout [UInt8]) {
        var isPlain = raw.count > 0
        for (index, byte) in raw.enumerated() {
            let isLetter = (byte >= 97 && byte <= 122) || byte == 95
            if !isLetter, index == 0 || byte &- 48 >= 10 { isPlain = false }
        }
        if isPlain, !reserved.contains(String(decoding: raw, as: UTF8.self)) {
            out.append(contentsOf: raw)
            return
        }
        out.append(34)
        for byte in raw {
            if byte == 34 { out.append(34) }
            out.append(byte)
        }
        out.append(34)
    }

    static func appendLiteral(_ raw: UnsafeRawBufferPointer, _ out: inout [UInt8]) {
        if raw.contains(92) { out.append(69) }
        out.append(39)
        for byte in raw {
            if byte == 39 || byte == 92 { out.append(byte) }
            out.append(byte)
        }
        out.append(39)
    }
}

/// format('%s %I %L', ...).
enum FormatFunction {
    static let kernel: Kernel = { (_, a, rows) throws(SQLError) in
        let formats = Lane(a[0], StringView.self)
        let lanes = a.map { Lane($0, StringView.self) }
        let validity = Flatten.validity(a[0])
        let sink = TextSink(rows: rows)
        try Loops.eachRow(validity, rows) { (row) throws(SQLError) in
            let arguments = (1..<max(1, a.count)).map { index -> [UInt8]? in
                a[index].isValid(row) ? TextKernels.bytes(lanes[index][row]) : nil
            }
            try sink.set(row, try format(TextKernels.bytes(formats[row]), arguments))
        }
        return sink.finish(.text, validity: validity)
    }

    private static let widthMax = 1 << 20

    private static func format(_ pattern: [UInt8], _ arguments: [[UInt8]?]) throws(SQLError) -> [UInt8] {
        var out: [UInt8] = []
        var at = 0
        var next = 0
        func unterminated() -> SQLError {
            SQLError(
                .invalidParameterValue, "unterminated format() type specifier",
                hint: "For a single \"%\" use \"%%\".")
        }
        while at < pattern.count {
            guard pattern[at] == 37 else {
                out.append(pattern[at])
                at += 1
                continue
            }
            at += 1
            guard at < pattern.count else { throw unterminated() }
            if pattern[at] == 37 {
                out.append(37)
                at += 1
                continue
            }
            var (number, width, isLeft): (Int?, Int?, Bool) = (nil, nil, false)
            func digits() -> Int? {
                var value: Int?
                while at < pattern.count, pattern[at] &- 48 < 10 {
                    value = min((value ?? 0) * 10 + Int(pattern[at] - 48), widthMax)
                    at += 1
                }
                return value
            }
            number = digits()
            if number != nil, at < pattern.count, pattern[at] == 36 {
                at += 1
            } else {
                (width, number) = (number, nil)
            }
            if width == nil {
                while at < pattern.count, pattern[at] == 45 {
                    isLeft = true
                    at += 1
                }
                width = digits()
            }
            guard at < pattern.count else { throw unterminated() }
            let kind = pattern[at]
            at += 1
            guard kind == 115 || kind == 73 || kind == 76 else {
                throw SQLError(
                    .invalidParameterValue,
                    "unrecognized format() type specifier \"\(String(decoding: [kind], as: UTF8.self))\"",
                    hint: "For a single \"%\" use \"%%\".")
            }
            if number == 0 {
                throw SQLError(
                    .invalidParameterValue, "format specifies argument 0, but arguments are numbered from 1")
            }
            let index = number.map { $0 - 1 } ?? next
            next = index + 1
            guard index < arguments.count else {
                throw SQLError(.invalidParameterValue, "too few arguments for format()")
            }
            try append(arguments[index], kind, width ?? 0, isLeft, &out)
        }
        return out
    }

    private static func append(
        _ value: [UInt8]?, _ kind: UInt8, _ width: Int, _ isLeft: Bool, _ out: inout [UInt8]
    ) throws(SQLError) {
        var text: [UInt8] = []
        switch kind {
        case 73:
            guard let value else {
                throw SQLError(SQLState("22004"), "null values cannot be formatted as an SQL identifier")
            }
            value.withUnsafeBytes { StringSearch.appendIdentifier($0, &text) }
        case 76:
            if let value {
                value.withUnsafeBytes { StringSearch.appendLiteral($0, &text) }
            } else {
                text = Array("NULL".utf8)
            }
        default: text = value ?? []
        }
        let missing = max(0, width - text.withUnsafeBytes { TextOps.characters($0) })
        if !isLeft { out.append(contentsOf: repeatElement(32, count: missing)) }
        out.append(contentsOf: text)
        if isLeft { out.append(contentsOf: repeatElement(32, count: missing)) }
    }
}
