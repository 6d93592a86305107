// Text to lists as DuckDB writes them: `[1, NULL, 'a b', [2]]`, `{a: 1}`. Not for loops over rows.
import Diagnostics

/// One item of a list: its bytes, and whether quotes stood around them.
struct ListItem {
    var bytes: [UInt8]
    var isQuoted: Bool
    var isNull: Bool { !isQuoted && String(decoding: bytes, as: UTF8.self).uppercased() == "NULL" }
}

extension TextParse {
    /// Whether an array's text is a list: PostgreSQL's bounds, `[1:2]={1,2}`, end with a brace.
    static func isList(_ text: UnsafeRawBufferPointer) -> Bool {
        text.count >= 2 && text[0] == 91 && text[text.count - 1] == 93
    }

    /// Parses `[a, b]`; nil when it is malformed.
    static func list(
        _ text: UnsafeRawBufferPointer, of element: SQLType, context: TextParseContext, depth: Int
    ) throws(SQLError) -> [Scalar]? {
        guard let items = listItems(text) else { return nil }
        var result: [Scalar] = []
        for item in items {
            guard !item.isNull else {
                result.append(.null(element))
                continue
            }
            result.append(
                try item.bytes.parsed { (raw) throws(SQLError) -> Scalar in
                    try scalar(raw, as: element, context: context, depth: depth + 1)
                })
        }
        return result
    }

    /// Parses `{a: 1, b: 'x'}` by the names of the fields, where those that are missing are NULL; nil when it is
    /// malformed or names none of the fields.
    static func namedRecord(
        _ text: UnsafeRawBufferPointer, _ fields: [StructField], context: TextParseContext, depth: Int
    ) throws(SQLError) -> [Scalar]? {
        guard let items = listItems(text, hasNames: true), items.count % 2 == 0 else { return nil }
        var values = fields.map { Scalar.null($0.type) }
        for index in stride(from: 0, to: items.count, by: 2) {
            guard let place = fields.place(of: String(decoding: items[index].bytes, as: UTF8.self)) else { return nil }
            guard !items[index + 1].isNull else { continue }
            values[place] = try items[index + 1].bytes.parsed { (raw) throws(SQLError) -> Scalar in
                try scalar(raw, as: fields[place].type, context: context, depth: depth + 1)
            }
        }
        return values
    }

    /// Splits what is between the outermost brackets at its commas, and with names at colons as well.
    private static func listItems(_ text: UnsafeRawBufferPointer, hasNames: Bool = false) -> [ListItem]? {
        var items: [ListItem] = []
        let end = text.count - 1
        var at = 1
        while at < end, isSpace(text[at]) { at += 1 }
        if at == end { return [] }
        var expectsName = hasNames
        while true {
            let stop: UInt8 = expectsName ? 58 : 44
            guard let item = listItem(text, &at, end, stop: stop) else { return nil }
            items.append(item)
            if at == end { return expectsName ? nil : items }
            at += 1
            if hasNames { expectsName.toggle() }
        }
    }

    /// One item, up to `stop` outside of brackets and quotes; `at` is left there, or at the end.
    private static func listItem(
        _ text: UnsafeRawBufferPointer, _ at: inout Int, _ end: Int, stop: UInt8
    ) -> ListItem? {
        while at < end, isSpace(text[at]) { at += 1 }
        var item: [UInt8] = []
        if at < end, text[at] == 34 || text[at] == 39 {
            let (quote, start) = (text[at], at)
            at += 1
            while at < end, text[at] != quote {
                if text[at] == 92, at + 1 < end { at += 1 }
                item.append(text[at])
                at += 1
            }
            guard at < end else { return nil }
            at += 1
            while at < end, isSpace(text[at]) { at += 1 }
            if at == end || text[at] == stop { return ListItem(bytes: item, isQuoted: true) }
            // More follows the quotes: they are part of the item.
            (item, at) = ([], start)
        }
        // The number of bytes up to which spaces belong to the item: escaped ones do.
        var (nested, kept) = (0, 0)
        var quote: UInt8?
        while at < end, quote != nil || nested > 0 || text[at] != stop {
            let byte = text[at]
            if byte == 92, at + 1 < end {
                // Inside of brackets the escape is left for whoever reads what they hold.
                if nested > 0 { item.append(byte) }
                item.append(text[at + 1])
                at += 2
                kept = item.count
                continue
            }
            if let open = quote {
                if byte == open { quote = nil }
            } else if nested > 0, byte == 34 || byte == 39 {
                quote = byte
            } else if byte == 91 || byte == 123 || byte == 40 {
                nested += 1
            } else if byte == 93 || byte == 125 || byte == 41 {
                nested -= 1
                guard nested >= 0 else { return nil }
            }
            item.append(byte)
            at += 1
        }
        guard nested == 0, quote == nil else { return nil }
        while item.count > kept, let last = item.last, isSpace(last) { item.removeLast() }
        return ListItem(bytes: item, isQuoted: false)
    }
}
