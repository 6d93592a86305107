// Messages of clients: the bodies of frames, read with every length checked. PostgreSQL docs 55.7.
public import Diagnostics

/// A message of a client.
public enum FrontendMessage: Sendable {
    case query(String)
    case parse(ParseMessage)
    case bind(BindMessage)
    case describe(Target)
    case execute(portal: String, rowsMax: Int32)
    case close(Target)
    case sync
    case flush
    case terminate
    case copyData(ArraySlice<UInt8>)
    case copyDone
    case copyFail(String)
    /// A password, or what a SASL exchange sends.
    case password(ArraySlice<UInt8>)

    /// What Describe and Close are about.
    public enum Target: Sendable, Hashable {
        case statement(String)
        case portal(String)
    }

    /// Reads a frame. An error leaves the stream intact: the next message can be read.
    public init(_ frame: Frame) throws(SQLError) {
        var reader = MessageReader(frame.body)
        switch frame.kind {
        case 81: self = .query(try reader.string())
        case 80: self = .parse(try ParseMessage(&reader))
        case 66: self = .bind(try BindMessage(&reader))
        case 68: self = .describe(try FrontendMessage.target(&reader, "DESCRIBE"))
        case 69: self = .execute(portal: try reader.string(), rowsMax: try reader.int32())
        case 67: self = .close(try FrontendMessage.target(&reader, "CLOSE"))
        case 83: self = .sync
        case 72: self = .flush
        case 88: self = .terminate
        case 100: self = .copyData(reader.rest())
        case 99: self = .copyDone
        case 102: self = .copyFail(try reader.string())
        case 112: self = .password(reader.rest())
        default: throw SQLError(.protocolViolation, "invalid frontend message type \(frame.kind)")
        }
        guard reader.remaining == 0 else { throw SQLError(.protocolViolation, "invalid message format") }
    }

    private static func target(_ reader: inout MessageReader, _ message: String) throws(SQLError) -> Target {
        switch try reader.byte() {
        case 83: return .statement(try reader.string())
        case 80: return .portal(try reader.string())
        case let other: throw SQLError(.protocolViolation, "invalid \(message) message subtype \(other)")
        }
    }
}

/// Parse: a statement's name, text and the parameter types the client knows.
public struct ParseMessage: Sendable {
    public var name: String
    public var sql: String
    /// 0 where the client leaves the type open.
    public var parameterOIDs: [UInt32]

    init(_ reader: inout MessageReader) throws(SQLError) {
        name = try reader.string()
        sql = try reader.string()
        let count = Int(try reader.uint16())
        try reader.require(count * 4)
        parameterOIDs = []
        parameterOIDs.reserveCapacity(count)
        for _ in 0..<count { parameterOIDs.append(UInt32(bitPattern: try reader.int32())) }
    }
}

/// How a value is sent.
public enum ValueFormat: Int16, Sendable {
    case text = 0
    case binary = 1
}

/// Bind: parameter values for a statement, and the formats of its result.
public struct BindMessage: Sendable {
    public var portal: String
    public var statement: String
    public var parameterFormats: [ValueFormat]
    /// nil is NULL.
    public var parameters: [ArraySlice<UInt8>?]
    public var resultFormats: [ValueFormat]

    init(_ reader: inout MessageReader) throws(SQLError) {
        portal = try reader.string()
        statement = try reader.string()
        parameterFormats = try BindMessage.formats(&reader)
        let count = Int(try reader.uint16())
        try reader.require(count * 4)
        guard parameterFormats.count <= 1 || parameterFormats.count == count else {
            throw SQLError(
                .protocolViolation,
                "bind message has \(parameterFormats.count) parameter formats but \(count) parameters")
        }
        parameters = []
        parameters.reserveCapacity(count)
        for _ in 0..<count {
            let length = try reader.int32()
            if length == -1 {
                parameters.append(nil)
            } else {
                guard length >= 0 else { throw SQLError(.protocolViolation, "invalid message format") }
                parameters.append(try reader.slice(Int(length)))
            }
        }
        resultFormats = try BindMessage.formats(&reader)
    }

    private static func formats(_ reader: inout MessageReader) throws(SQLError) -> [ValueFormat] {
        let count = Int(try reader.uint16())
        try reader.require(count * 2)
        var result: [ValueFormat] = []
        result.reserveCapacity(count)
        for _ in 0..<count {
            let code = Int16(bitPattern: try reader.uint16())
            guard let format = ValueFormat(rawValue: code) else {
                throw SQLError(.invalidParameterValue, "unsupported format code: \(code)")
            }
            result.append(format)
        }
        return result
    }

    /// The format of a parameter: one code stands for all, none for text.
    public func parameterFormat(_ index: Int) -> ValueFormat {
        parameterFormats.count > 1 ? parameterFormats[index] : parameterFormats.first ?? .text
    }
}

/// The client's answer that starts a SASL exchange.
public struct SASLInitialResponse: Sendable {
    public var mechanism: String
    public var data: ArraySlice<UInt8>?

    /// Reads the body of a password message.
    public init(_ body: ArraySlice<UInt8>) throws(SQLError) {
        var reader = MessageReader(body)
        mechanism = try reader.string()
        let length = try reader.int32()
        guard length >= -1 else { throw SQLError(.protocolViolation, "invalid message format") }
        data = length == -1 ? nil : try reader.slice(Int(length))
        guard reader.remaining == 0 else { throw SQLError(.protocolViolation, "invalid message format") }
    }
}

/// Reads the fields of a message body.
struct MessageReader {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    var remaining: Int { bytes.endIndex - at }

    func require(_ count: Int) throws(SQLError) {
        guard remaining >= count else { throw SQLError(.protocolViolation, "insufficient data left in message") }
    }

    mutating func byte() throws(SQLError) -> UInt8 {
        try require(1)
        at += 1
        return bytes[at - 1]
    }

    mutating func uint16() throws(SQLError) -> UInt16 {
        try require(2)
        at += 2
        return UInt16(bytes[at - 2]) << 8 | UInt16(bytes[at - 1])
    }

    mutating func int32() throws(SQLError) -> Int32 {
        let high = UInt32(try uint16())
        return Int32(bitPattern: high << 16 | UInt32(try uint16()))
    }

    mutating func int64() throws(SQLError) -> Int64 {
        let high = UInt64(UInt32(bitPattern: try int32()))
        return Int64(bitPattern: high << 32 | UInt64(UInt32(bitPattern: try int32())))
    }

    mutating func slice(_ count: Int) throws(SQLError) -> ArraySlice<UInt8> {
        try require(count)
        at += count
        return bytes[at - count..<at]
    }

    mutating func rest() -> ArraySlice<UInt8> {
        defer { at = bytes.endIndex }
        return bytes[at...]
    }

    /// Reads UTF-8 up to a zero byte.
    mutating func string() throws(SQLError) -> String {
        guard let end = bytes[at...].firstIndex(of: 0) else {
            throw SQLError(.protocolViolation, "invalid string in message")
        }
        defer { at = end + 1 }
        return try WireText.utf8(bytes[at..<end])
    }
}

/// Text as it comes from clients, whose encoding is UTF-8.
enum WireText {
    static func utf8(_ bytes: ArraySlice<UInt8>) throws(SQLError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw invalid(bytes) }
        return text
    }

    /// The error names the bytes of the first character that is not well-formed, as PostgreSQL does.
    static func invalid(_ bytes: ArraySlice<UInt8>) -> SQLError {
        var shown: [UInt8] = []
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var at = bytes.startIndex
        scan: while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar): at += UTF8.width(scalar)
            case .emptyInput: break scan
            case .error:
                let first = bytes[at]
                let width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
                shown = Array(bytes[at..<min(at + width, bytes.endIndex)])
                break scan
            }
        }
        let digits = shown.map { "0x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        return SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": \(digits)")
    }
}
