// JSON as a tree that keeps what it does not understand: the order of keys, and numbers as they were written.

public import Diagnostics

/// A JSON value.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    /// The digits as they were written, so that 64-bit numbers survive.
    case number(String)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    /// A number.
    public static func int(_ value: Int64) -> JSON { .number(String(value)) }
    /// A number.
    public static func int(_ value: Int) -> JSON { .number(String(value)) }

    /// A member of an object; nil when this is none, there is no such member, or it is null.
    public subscript(key: String) -> JSON? {
        guard case .object(let object) = self, let value = object[key], value != .null else { return nil }
        return value
    }

    /// The number, if it is a whole one of 64 bits.
    public var asInt: Int64? {
        guard case .number(let digits) = self else { return nil }
        if let exact = Int64(digits) { return exact }
        guard let number = Double(digits) else { return nil }
        return Int64(exactly: number)
    }
    /// The number, if it is a whole one of 32 bits.
    public var asInt32: Int32? { asInt.flatMap { Int32(exactly: $0) } }
    /// The number.
    public var asDouble: Double? {
        if case .number(let digits) = self { Double(digits) } else { nil }
    }
    /// The text.
    public var asString: String? {
        if case .string(let text) = self { text } else { nil }
    }
    /// The truth value.
    public var asBool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }
    /// The elements.
    public var asArray: [JSON]? {
        if case .array(let values) = self { values } else { nil }
    }
    /// The members.
    public var asObject: JSONObject? {
        if case .object(let object) = self { object } else { nil }
    }
    /// An object of strings; other members are left out.
    public var asStrings: [String: String] {
        var result: [String: String] = [:]
        for member in asObject?.members ?? [] { result[member.key] = member.value.asString }
        return result
    }
}

/// Members in their order. A key that is given twice has its last value.
public struct JSONObject: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// In the order they came.
    public private(set) var members: [Member] = []
    private var places: [String: Int] = [:]

    /// A key and its value.
    public struct Member: Sendable, Hashable {
        public var key: String
        public var value: JSON
    }

    public init() {}

    public init(dictionaryLiteral elements: (String, JSON)...) {
        for (key, value) in elements { self[key] = value }
    }

    /// Strings, by name.
    public init(_ strings: [String: String]) {
        for (key, value) in strings.sorted(by: { $0.key < $1.key }) { self[key] = .string(value) }
    }

    /// Sets a member where it is, or adds it at the end; nil removes it.
    public subscript(key: String) -> JSON? {
        get { places[key].map { members[$0].value } }
        set {
            if let place = places[key] {
                if let newValue {
                    members[place].value = newValue
                } else {
                    members.remove(at: place)
                    places = [:]
                    for (index, member) in members.enumerated() { places[member.key] = index }
                }
            } else if let newValue {
                places[key] = members.count
                members.append(Member(key: key, value: newValue))
            }
        }
    }
}

extension JSONObject.Member {
    init(_ key: String, _ value: JSON) { self.init(key: key, value: value) }
}

/// What is wrong with some text or bytes; the reader of the file adds its name.
struct Malformed: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }

    func error(in path: String) -> SQLError {
        SQLError(.dataCorrupted, "could not read Iceberg file \"\(path)\": \(reason)")
    }
}

// MARK: - Text

extension JSON {
    /// Values nested deeper are an error.
    private static let depthMax = 200

    /// Parses a whole text.
    init(parsing bytes: UnsafeRawBufferPointer) throws(Malformed) {
        var parser = Parser(bytes: bytes)
        if bytes.count >= 3, bytes[0] == 0xef, bytes[1] == 0xbb, bytes[2] == 0xbf { parser.at = 3 }
        self = try parser.value(depth: 0)
        parser.skipBlanks()
        guard parser.at == bytes.count else { throw parser.wrong() }
    }

    init(parsing text: String) throws(Malformed) {
        var copy = text
        let parsed = copy.withUTF8 { bytes -> Result<JSON, Malformed> in
            do throws(Malformed) { return .success(try JSON(parsing: UnsafeRawBufferPointer(bytes))) } catch {
                return .failure(error)
            }
        }
        self = try parsed.get()
    }

    /// Parses what a client sent. Throws 22023.
    public static func parsing(request bytes: [UInt8]) throws(SQLError) -> JSON {
        let parsed = bytes.withUnsafeBytes { bytes -> Result<JSON, Malformed> in
            do throws(Malformed) { return .success(try JSON(parsing: bytes)) } catch { return .failure(error) }
        }
        switch parsed {
        case .success(let json): return json
        case .failure(let malformed): throw SQLError(.invalidParameterValue, malformed.reason)
        }
    }

    /// The text, without blanks.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The text in UTF-8.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        write(to: &out)
        return out
    }

    func write(to out: inout [UInt8]) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let flag): out += (flag ? "true" : "false").utf8
        case .number(let digits): out += digits.utf8
        case .string(let text): JSON.write(text, to: &out)
        case .array(let values):
            out.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                value.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let object):
            out.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                JSON.write(member.key, to: &out)
                out.append(UInt8(ascii: ":"))
                member.value.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    private static let hex = Array("0123456789abcdef".utf8)

    static func write(_ text: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
            case 0x0a: out += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0x0d: out += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0x09: out += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0..<0x20: out += [UInt8](#"\u00"#.utf8) + [hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    private struct Parser {
        let bytes: UnsafeRawBufferPointer
        var at = 0

        func wrong() -> Malformed { Malformed("invalid JSON at byte \(at)") }

        mutating func skipBlanks() {
            while at < bytes.count {
                let byte = bytes[at]
                guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
                at += 1
            }
        }

        mutating func value(depth: Int) throws(Malformed) -> JSON {
            guard depth < JSON.depthMax else { throw Malformed("JSON is nested too deeply at byte \(at)") }
            skipBlanks()
            guard at < bytes.count else { throw wrong() }
            switch bytes[at] {
            case UInt8(ascii: "{"): return try object(depth)
            case UInt8(ascii: "["): return try array(depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try word("true", .bool(true))
            case UInt8(ascii: "f"): return try word("false", .bool(false))
            case UInt8(ascii: "n"): return try word("null", .null)
            default: return try number()
            }
        }

        private mutating func word(_ word: String, _ value: JSON) throws(Malformed) -> JSON {
            guard bytes.count - at >= word.utf8.count, bytes[at..<at + word.utf8.count].elementsEqual(word.utf8) else {
                throw wrong()
            }
            at += word.utf8.count
            return value
        }

        private mutating func object(_ depth: Int) throws(Malformed) -> JSON {
            at += 1
            var object = JSONObject()
            skipBlanks()
            if at < bytes.count, bytes[at] == UInt8(ascii: "}") {
                at += 1
                return .object(object)
            }
            while true {
                skipBlanks()
                guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw wrong() }
                let key = try string()
                skipBlanks()
                guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { throw wrong() }
                at += 1
                object[key] = try value(depth: depth + 1)
                if try isLast(UInt8(ascii: "}")) { return .object(object) }
            }
        }

        private mutating func array(_ depth: Int) throws(Malformed) -> JSON {
            at += 1
            var values: [JSON] = []
            skipBlanks()
            if at < bytes.count, bytes[at] == UInt8(ascii: "]") {
                at += 1
                return .array(values)
            }
            while true {
                values.append(try value(depth: depth + 1))
                if try isLast(UInt8(ascii: "]")) { return .array(values) }
            }
        }

        /// After an element: whether the end follows, and not a comma.
        private mutating func isLast(_ end: UInt8) throws(Malformed) -> Bool {
            skipBlanks()
            guard at < bytes.count, bytes[at] == end || bytes[at] == UInt8(ascii: ",") else { throw wrong() }
            at += 1
            return bytes[at - 1] == end
        }

        private mutating func number() throws(Malformed) -> JSON {
            let start = at
            while at < bytes.count {
                switch bytes[at] {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                    UInt8(ascii: "e"), UInt8(ascii: "E"):
                    at += 1
                    continue
                default: break
                }
                break
            }
            let digits = String(decoding: bytes[start..<at], as: UTF8.self)
            guard Double(digits) != nil else { throw wrong() }
            return .number(digits)
        }

        private mutating func string() throws(Malformed) -> String {
            at += 1
            var out: [UInt8] = []
            while true {
                guard at < bytes.count else { throw wrong() }
                let byte = bytes[at]
                at += 1
                if byte == UInt8(ascii: "\"") { break }
                guard byte == UInt8(ascii: "\\") else {
                    out.append(byte)
                    continue
                }
                guard at < bytes.count else { throw wrong() }
                let escaped = bytes[at]
                at += 1
                switch escaped {
                case UInt8(ascii: "n"): out.append(0x0a)
                case UInt8(ascii: "r"): out.append(0x0d)
                case UInt8(ascii: "t"): out.append(0x09)
                case UInt8(ascii: "b"): out.append(0x08)
                case UInt8(ascii: "f"): out.append(0x0c)
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(escaped)
                case UInt8(ascii: "u"): out += try scalar()
                default: throw wrong()
                }
            }
            return String(decoding: out, as: UTF8.self)
        }

        /// The character of \uXXXX, or of two of them that are surrogates.
        private mutating func scalar() throws(Malformed) -> [UInt8] {
            var code = try hex()
            if code >> 10 == 0x36, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
                bytes[at + 1] == UInt8(ascii: "u")
            {
                at += 2
                let low = try hex()
                code = low >> 10 == 0x37 ? 0x10000 + (code & 0x3ff) << 10 + (low & 0x3ff) : 0xfffd
            }
            return Array(String(Unicode.Scalar(code) ?? "\u{fffd}").utf8)
        }

        private mutating func hex() throws(Malformed) -> UInt32 {
            guard bytes.count - at >= 4,
                let code = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
            else { throw wrong() }
            at += 4
            return code
        }
    }
}
