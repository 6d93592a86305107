// Text to a scalar of any type: parameters in text format, folded literals, array elements. Not for loops over rows.
public import Diagnostics

extension TextParse {
    /// Values nested deeper are refused.
    static let nestingMax = SQLType.nestingMax

    /// Parses the text form of a value of a type.
    public static func scalar(
        _ text: String, as type: SQLType, context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> Scalar {
        let bytes = Array(text.utf8)
        return try bytes.parsed { (raw) throws(SQLError) -> Scalar in try scalar(raw, as: type, context: context) }
    }

    /// Parses the text form of a value of a type.
    public static func scalar(
        _ bytes: UnsafeRawBufferPointer, as type: SQLType, context: TextParseContext = TextParseContext(),
        depth: Int = 0
    ) throws(SQLError) -> Scalar {
        switch type {
        case .boolean: return Scalar(type, .bool(try boolean(bytes)))
        case .int2: return Scalar(type, .int(Int64(try int2(bytes))))
        case .int4: return Scalar(type, .int(Int64(try int4(bytes))))
        case .int8: return Scalar(type, .int(try int8(bytes)))
        case .float4: return Scalar(type, .double(Double(try float4(bytes))))
        case .float8: return Scalar(type, .double(try float8(bytes)))
        case .decimal(let precision, let scale):
            return Scalar(type, .int128(try decimal(bytes, precision: precision, scale: scale)))
        case .numeric:
            let value = try numeric(bytes)
            return Scalar(type, .numeric(mantissa: value.mantissa, scale: Int(value.scale)))
        case .unknown, .text, .varchar, .char:
            return Scalar(type, .string(try limited(String(decoding: bytes, as: UTF8.self), type)))
        case .bytea: return Scalar(type, .bytes(try bytea(bytes)))
        case .bit(let length):
            return Scalar(type, .string(try BitText.fitted(try BitText.parse(bytes), length: length, isVarying: false)))
        case .varbit(let length):
            let bits = try BitText.parse(bytes)
            return Scalar(
                type,
                .string(
                    try length.map { (most) throws(SQLError) in
                        try BitText.fitted(bits, length: most, isVarying: true)
                    } ?? bits))
        case .enumeration(let labels):
            return Scalar(type, .int(Int64(try labels.place(of: String(decoding: bytes, as: UTF8.self)))))
        case .json:
            try JSONText.check(bytes)
            return Scalar(type, .string(String(decoding: bytes, as: UTF8.self)))
        case .jsonb:
            var normal: [UInt8] = []
            try JSONText.appendNormal(bytes, to: &normal)
            return Scalar(type, .string(String(decoding: normal, as: UTF8.self)))
        case .date: return Scalar(type, .int(Int64(try date(bytes, context))))
        case .time: return Scalar(type, .int(try time(bytes, context)))
        case .timestamp: return Scalar(type, .int(try timestamp(bytes, context)))
        case .timestamptz: return Scalar(type, .int(try timestamptz(bytes, context)))
        case .interval: return Scalar(type, .interval(try interval(bytes)))
        case .uuid: return Scalar(type, .int128(try uuid(bytes)))
        case .system(let system): return try self.system(bytes, system, context)
        case .array(let element):
            return Scalar(type, .array(try array(bytes, of: element, context: context, depth: depth)))
        case .row(let fields): return Scalar(type, .row(try record(bytes, fields, context: context, depth: depth)))
        case .map(let key, let value):
            return Scalar(type, .array(try map(bytes, key: key, value: value, context: context, depth: depth)))
        }
    }

    /// Types of the catalog; names behind references are looked up by casts, here only numbers are known.
    private static func system(
        _ bytes: UnsafeRawBufferPointer, _ type: SystemType, _ context: TextParseContext
    ) throws(SQLError) -> Scalar {
        let text = String(decoding: bytes, as: UTF8.self)
        switch type {
        case .inet, .cidr:
            let address = try NetworkAddress.parse(trimmed(bytes), isNetwork: type == .cidr)
            return Scalar(.system(type), .string(address.key))
        case .timetz: return Scalar(.system(type), .int(try timetz(bytes, context).packed))
        case .char: return Scalar(.system(type), .string(SystemText.firstByte(text)))
        case .name: return Scalar(.system(type), .string(SystemText.name(text)))
        case .aclitem, .nodeTree, .int2vector, .oidvector: return Scalar(.system(type), .string(text))
        default: return Scalar(.system(type), .int(try SystemText.oid(text, type)))
        }
    }

    /// Fits a string to varchar(n) or char(n) as assignment does: only blanks may be cut off.
    private static func limited(_ text: String, _ type: SQLType) throws(SQLError) -> String {
        let limit: Int
        switch type {
        case .varchar(.some(let length)): limit = length
        case .char(let length): limit = length
        default: return text
        }
        let scalars = text.unicodeScalars
        let count = scalars.count
        if count > limit {
            guard scalars.dropFirst(limit).allSatisfy({ $0 == " " }) else {
                throw SQLError(.stringDataRightTruncation, "value too long for type \(type.name)")
            }
            return String(String.UnicodeScalarView(scalars.prefix(limit)))
        }
        if case .char = type { return text + String(repeating: " ", count: limit - count) }
        return text
    }

    /// Parses a one-dimensional array: `{1,NULL,"a b"}`. Nested braces give nested element types.
    public static func array(
        _ bytes: UnsafeRawBufferPointer, of element: SQLType, context: TextParseContext, depth: Int = 0
    ) throws(SQLError) -> [Scalar] {
        let text = trimmed(bytes)
        func malformed() -> SQLError {
            SQLError(
                .invalidTextRepresentation, "malformed array literal: \"\(String(decoding: bytes, as: UTF8.self))\"")
        }
        if isList(text), depth < nestingMax {
            guard let items = try list(text, of: element, context: context, depth: depth) else { throw malformed() }
            return items
        }
        guard text.count >= 2, text[0] == 123, text[text.count - 1] == 125, depth < nestingMax else {
            throw malformed()
        }
        var result: [Scalar] = []
        var at = 1
        let end = text.count - 1
        var expectsElement = false
        while true {
            while at < end, isSpace(text[at]) { at += 1 }
            if at == end {
                if expectsElement { throw malformed() }
                return result
            }
            var item: [UInt8] = []
            var isQuoted = false
            if text[at] == 34 {
                isQuoted = true
                at += 1
                while at < end, text[at] != 34 {
                    if text[at] == 92 { at += 1 }
                    guard at < end else { throw malformed() }
                    item.append(text[at])
                    at += 1
                }
                guard at < end else { throw malformed() }
                at += 1
                while at < end, isSpace(text[at]) { at += 1 }
            } else {
                var nested = 0
                while at < end, nested > 0 || text[at] != 44 {
                    if text[at] == 123 { nested += 1 }
                    if text[at] == 125 { nested -= 1 }
                    if nested < 0 || text[at] == 34 && nested == 0 { throw malformed() }
                    if text[at] == 92, nested == 0 { at += 1 }
                    guard at < end else { throw malformed() }
                    item.append(text[at])
                    at += 1
                }
                while let last = item.last, isSpace(last) { item.removeLast() }
                guard !item.isEmpty else { throw malformed() }
            }
            if !isQuoted, String(decoding: item, as: UTF8.self).uppercased() == "NULL" {
                result.append(.null(element))
            } else {
                result.append(
                    try item.parsed { (raw) throws(SQLError) -> Scalar in
                        try scalar(raw, as: element, context: context, depth: depth + 1)
                    })
            }
            if at < end {
                guard text[at] == 44 else { throw malformed() }
                at += 1
                expectsElement = true
            } else {
                expectsElement = false
            }
        }
    }
}

extension [UInt8] {
    /// Lends the bytes, keeping the error's type.
    func parsed<R>(_ body: (UnsafeRawBufferPointer) throws(SQLError) -> R) throws(SQLError) -> R {
        let result: Result<R, SQLError> = withUnsafeBytes { raw in
            do throws(SQLError) { return .success(try body(raw)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
