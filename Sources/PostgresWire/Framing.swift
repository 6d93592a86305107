// Bytes of a socket to messages: lengths are checked before anything is kept, so that a client cannot make us hold more
// than the named limits. PostgreSQL docs 55.2 and 55.7.
public import Diagnostics

/// What a client may send before its first ordinary message.
public enum StartupRequest: Sendable {
    case ssl
    case gssEncryption
    case cancel(processID: Int32, secret: Int32)
    case startup(StartupMessage)
}

/// Cuts a stream of bytes into messages.
public struct Framing: Sendable {
    /// PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
    public static let startupBytesMax = 10_000
    /// Before authentication only passwords and SASL answers come.
    public static let authenticationBytesMax = 65_535
    /// The longest message: a query text, a Bind with all its parameters.
    public static let messageBytesMax = 256 << 20
    /// Messages that carry a name at most.
    public static let smallMessageBytesMax = 10_000
    /// Consumed bytes that stay in front of the buffer before it is moved.
    private static let slackBytesMax = 64 << 10

    private static let cancelCode: UInt32 = 80_877_102
    private static let sslCode: UInt32 = 80_877_103
    private static let gssCode: UInt32 = 80_877_104

    private var bytes: [UInt8] = []
    private var start = 0
    /// Set once the client is authenticated: until then messages are short.
    public var isAuthenticated = false

    public init() {}

    /// Bytes received and not yet consumed.
    public var pendingBytes: Int { bytes.count - start }

    /// Adds received bytes.
    public mutating func append(_ more: UnsafeRawBufferPointer) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= Framing.slackBytesMax)
            start = 0
        } else if start > Framing.slackBytesMax {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    private func word(_ offset: Int) -> UInt32 {
        let at = start + offset
        return UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16 | UInt32(bytes[at + 2]) << 8
            | UInt32(bytes[at + 3])
    }

    /// Returns the next startup packet, nil when it is not complete. Every error is fatal.
    public mutating func nextStartup() throws(SQLError) -> StartupRequest? {
        guard pendingBytes >= 4 else { return nil }
        let length = Int(word(0))
        guard length >= 8, length <= Framing.startupBytesMax else {
            throw SQLError(.protocolViolation, "invalid length of startup packet")
        }
        guard pendingBytes >= length else { return nil }
        let code = word(4)
        let body = start + 8..<start + length
        defer { start += length }
        switch code {
        case Framing.sslCode where length == 8: return .ssl
        case Framing.gssCode where length == 8: return .gssEncryption
        case Framing.cancelCode where length == 16:
            return .cancel(processID: Int32(bitPattern: word(8)), secret: Int32(bitPattern: word(12)))
        case Framing.sslCode, Framing.gssCode, Framing.cancelCode:
            throw SQLError(.protocolViolation, "invalid length of startup packet")
        default: return .startup(try StartupMessage(version: code, body: bytes[body]))
        }
    }

    /// Returns the next message's type and body, nil when it is not complete. Every error is fatal: the stream cannot
    /// be followed any more.
    public mutating func nextFrame() throws(SQLError) -> Frame? {
        guard pendingBytes >= 1 else { return nil }
        let kind = bytes[start]
        guard let limit = limit(of: kind) else {
            throw SQLError(.protocolViolation, "invalid frontend message type \(kind)")
        }
        guard pendingBytes >= 5 else { return nil }
        let length = Int(word(1))
        guard length >= 4, length <= limit else { throw SQLError(.protocolViolation, "invalid message length") }
        guard pendingBytes >= length + 1 else { return nil }
        let frame = Frame(kind: kind, body: bytes[start + 5..<start + 1 + length])
        start += length + 1
        return frame
    }

    /// The longest body of a message type; nil for an unknown type.
    private func limit(of kind: UInt8) -> Int? {
        guard isAuthenticated else { return kind == 112 || kind == 88 ? Framing.authenticationBytesMax : nil }
        switch kind {
        case 67, 68, 69, 70, 72, 83, 88, 99, 102, 112: return Framing.smallMessageBytesMax
        case 66, 80, 81, 100: return Framing.messageBytesMax
        default: return nil
        }
    }
}

/// One message as it came: the type byte and the bytes behind the length.
public struct Frame: Sendable {
    public var kind: UInt8
    public var body: ArraySlice<UInt8>

    public init(kind: UInt8, body: ArraySlice<UInt8>) {
        self.kind = kind
        self.body = body
    }
}

/// The packet that opens a session.
public struct StartupMessage: Sendable {
    /// Major version in the high half, minor in the low.
    public var version: UInt32
    /// Names and values in the client's order.
    public var parameters: [(name: String, value: String)] = []

    /// The version this server speaks: 3.0.
    public static let versionSupported: UInt32 = 3 << 16

    init(version: UInt32, body: ArraySlice<UInt8>) throws(SQLError) {
        self.version = version
        guard version >> 16 == 3 else {
            throw SQLError(
                .featureNotSupported,
                "unsupported frontend protocol \(version >> 16).\(version & 0xffff): server supports 3.0 to 3.0")
        }
        var reader = MessageReader(body)
        while reader.remaining > 0 {
            let name = try reader.string()
            if name.isEmpty {
                guard reader.remaining == 0 else { break }
                return
            }
            guard reader.remaining > 0 else { break }
            parameters.append((name, try reader.string()))
        }
        throw SQLError(.protocolViolation, "invalid startup packet layout: expected terminator as last byte")
    }

    /// The value of a parameter; the last one counts.
    public subscript(_ name: String) -> String? { parameters.last { $0.name == name }?.value }

    /// Whether the client asks for a newer minor version or extensions, which NegotiateProtocolVersion declines.
    public var needsNegotiation: Bool { version > StartupMessage.versionSupported || !extensions.isEmpty }

    /// The names of protocol extensions.
    public var extensions: [String] { parameters.map(\.name).filter { $0.hasPrefix("_pq_.") } }

    /// The settings a session starts with: all parameters but user, database, replication and extensions; `options` is
    /// split into its `-c name=value` and `--name=value`.
    public func settings() throws(SQLError) -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        for (name, value) in parameters {
            switch name {
            case "user", "database", "replication": continue
            case "options": result += try StartupMessage.settings(ofOptions: value)
            case _ where name.hasPrefix("_pq_."): continue
            default: result.append((name, value))
            }
        }
        return result
    }

    /// Splits a command line of settings; a backslash keeps the blank behind it.
    static func settings(ofOptions text: String) throws(SQLError) -> [(name: String, value: String)] {
        var words: [String] = []
        var word: String?
        var isEscaped = false
        for character in text.unicodeScalars {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character.properties.isWhitespace {
                if let complete = word { words.append(complete) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let complete = word { words.append(complete) }
        var result: [(name: String, value: String)] = []
        var index = 0
        while index < words.count {
            var assignment = words[index]
            index += 1
            if assignment == "-c" {
                guard index < words.count else { throw invalidOptions(assignment) }
                assignment = words[index]
                index += 1
            } else if assignment.hasPrefix("--") || assignment.hasPrefix("-c") {
                assignment.removeFirst(2)
            } else {
                throw invalidOptions(assignment)
            }
            guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
                throw invalidOptions(assignment)
            }
            let name = assignment[..<equals].replacing("-", with: "_")
            result.append((name: String(name), value: String(assignment[assignment.index(after: equals)...])))
        }
        return result
    }

    private static func invalidOptions(_ word: String) -> SQLError {
        SQLError(.syntaxError, "invalid command-line argument for server process: \(word)")
    }
}
