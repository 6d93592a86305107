// Text to structs and maps. Not for loops over rows.
public import Diagnostics

extension TextParse {
    /// Parses a composite: `(1,"a b",)`.
    static func record(
        _ bytes: UnsafeRawBufferPointer, _ fields: [StructField], context: TextParseContext, depth: Int
    ) throws(SQLError) -> [Scalar] {
        let text = trimmed(bytes)
        if text.count >= 2, text[0] == 123, text[text.count - 1] == 125, depth < nestingMax {
            guard let values = try namedRecord(text, fields, context: context, depth: depth) else {
                throw malformed("record", bytes)
            }
            return values
        }
        guard text.count >= 2, text[0] == 40, text[text.count - 1] == 41, depth < nestingMax else {
            throw malformed("record", bytes)
        }
        var values: [Scalar] = []
        var at = 1
        let end = text.count - 1
        if fields.isEmpty {
            guard end == 1 else { throw malformed("record", bytes) }
            return []
        }
        while true {
            var (item, isNull, isQuoted) = ([UInt8](), true, false)
            while at < end, isQuoted || text[at] != 44 {
                let byte = text[at]
                at += 1
                isNull = false
                if byte == 92 {
                    guard at < end else { throw malformed("record", bytes) }
                    item.append(text[at])
                    at += 1
                } else if byte == 34 {
                    if isQuoted, at < end, text[at] == 34 {
                        item.append(34)
                        at += 1
                    } else {
                        isQuoted.toggle()
                    }
                } else {
                    guard isQuoted || byte != 40 && byte != 41 else { throw malformed("record", bytes) }
                    item.append(byte)
                }
            }
            guard !isQuoted, values.count < fields.count else { throw malformed("record", bytes) }
            let type = fields[values.count].type
            values.append(isNull ? .null(type) : try part(item, type, context, depth))
            guard at < end else { break }
            at += 1
        }
        guard values.count == fields.count else { throw malformed("record", bytes) }
        return values
    }

    /// Parses a map: `{a=1, "b c"=NULL}`.
    static func map(
        _ bytes: UnsafeRawBufferPointer, key: SQLType, value: SQLType, context: TextParseContext, depth: Int
    ) throws(SQLError) -> [Scalar] {
        let text = trimmed(bytes)
        guard text.count >= 2, text[0] == 123, text[text.count - 1] == 125, depth < nestingMax else {
            throw malformed("map", bytes)
        }
        let entry = SQLType.row([StructField("key", key), StructField("value", value)])
        var entries: [Scalar] = []
        var at = 1
        let end = text.count - 1
        func skipSpaces() { while at < end, isSpace(text[at]) { at += 1 } }
        /// One key or value, up to `stop`; nil for NULL.
        func item(until stop: UInt8) throws(SQLError) -> [UInt8]? {
            skipSpaces()
            var found: [UInt8] = []
            if at < end, text[at] == 34 {
                at += 1
                while at < end, text[at] != 34 {
                    if text[at] == 92 { at += 1 }
                    if at < end { found.append(text[at]) }
                    at += 1
                }
                guard at < end else { throw malformed("map", bytes) }
                at += 1
                skipSpaces()
                return found
            }
            while at < end, text[at] != stop {
                found.append(text[at])
                at += 1
            }
            while let last = found.last, isSpace(last) { found.removeLast() }
            guard !found.isEmpty else { throw malformed("map", bytes) }
            return String(decoding: found, as: UTF8.self).uppercased() == "NULL" ? nil : found
        }
        skipSpaces()
        while at < end {
            guard let name = try item(until: 61), at < end, text[at] == 61 else { throw malformed("map", bytes) }
            at += 1
            let content = try item(until: 44)
            let known = try part(name, key, context, depth)
            let parsed = try content.map { (bytes) throws(SQLError) in try part(bytes, value, context, depth) }
            entries.append(Scalar(entry, .row([known, parsed ?? .null(value)])))
            guard at < end else { break }
            guard text[at] == 44 else { throw malformed("map", bytes) }
            at += 1
            skipSpaces()
            guard at < end else { throw malformed("map", bytes) }
        }
        try MapKeys.check(entries)
        return entries
    }

    private static func part(
        _ bytes: [UInt8], _ type: SQLType, _ context: TextParseContext, _ depth: Int
    ) throws(SQLError) -> Scalar {
        try bytes.parsed { (raw) throws(SQLError) -> Scalar in
            try scalar(raw, as: type, context: context, depth: depth + 1)
        }
    }

    private static func malformed(_ kind: String, _ bytes: UnsafeRawBufferPointer) -> SQLError {
        SQLError(
            .invalidTextRepresentation, "malformed \(kind) literal: \"\(String(decoding: bytes, as: UTF8.self))\"")
    }
}

/// What holds for the keys of every map.
public enum MapKeys {
    /// Throws when a key is NULL or comes twice. `entries` are structs of key and value.
    public static func check(_ entries: [Scalar]) throws(SQLError) {
        var seen = Set<Scalar.Value>()
        for entry in entries {
            guard case .row(let parts) = entry.value, let key = parts.first, !key.isNull else {
                throw SQLError(.nullValueNotAllowed, "map keys must not be null")
            }
            guard seen.insert(key.equalityKey).inserted else {
                throw SQLError(.dataException, "map keys must be unique, but \"\(key.outputText() ?? "")\" is not")
            }
        }
    }
}
