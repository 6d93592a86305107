// A client that sends bytes and reads messages, nothing more.
import Diagnostics
import NIOCore
import NIOPosix
import Server

/// One message of the server: its type and body.
struct Message: Sendable, CustomStringConvertible {
    var kind: Character
    var body: [UInt8]
    /// The body with zero bytes as `|`.
    var description: String {
        "\(kind):" + String(decoding: body.map { $0 == 0 ? 124 : $0 }, as: UTF8.self)
    }
}

/// The bytes a client sends.
enum Send {
    static func word(_ value: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: value).bigEndian) { Array($0) }
    }
    static func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }
    static func message(_ kind: Character, _ body: [UInt8] = []) -> [UInt8] {
        [kind.asciiValue ?? 0] + word(body.count + 4) + body
    }
    static func query(_ sql: String) -> [UInt8] { message("Q", text(sql)) }
    static func parse(_ sql: String, name: String = "") -> [UInt8] { message("P", text(name) + text(sql) + [0, 0]) }
    static func bind(portal: String = "", name: String = "") -> [UInt8] {
        message("B", text(portal) + text(name) + [0, 0, 0, 0, 0, 0])
    }
    static func execute(_ rows: Int = 0, portal: String = "") -> [UInt8] { message("E", text(portal) + word(rows)) }
    static let sync = message("S")
    static func startup(user: String, database: String = "lake") -> [UInt8] {
        let body = text("user") + text(user) + text("database") + text(database) + [0]
        return word(body.count + 8) + word(196_608) + body
    }
}

/// A connection of a test. One task at a time.
final class RawClient {
    private let channel: any Channel
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var pending: [UInt8] = []

    private init(_ channel: any Channel, _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) {
        self.channel = channel
        self.inbound = inbound
    }

    /// Connects, runs `body`, closes.
    static func with<R: Sendable>(port: Int, _ body: (RawClient) async throws -> R) async throws -> R {
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await client.executeThenClose { inbound, _ in
            try await body(RawClient(client.channel, inbound.makeAsyncIterator()))
        }
    }

    /// Connects, sends, closes its own side and reads until the server has closed the other; what fails on the way does
    /// not matter.
    static func throwAway(_ bytes: [UInt8], port: Int) async {
        try? await with(port: port) { client in
            try await client.send(bytes)
            // A server that sees the end at once may leave what came before unanswered; it is to be answered.
            try await Task.sleep(for: .milliseconds(5))
            try await client.channel.close(mode: .output).get()
            while let more = try await client.inbound.next() { _ = more }
        }
    }

    func send(_ bytes: [UInt8]...) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: Array(bytes.joined()))).get()
    }

    /// One message; nil at the end of the stream.
    func next() async throws -> Message? {
        while true {
            if pending.count >= 5 {
                let length = pending[1...4].reduce(0) { $0 << 8 | Int($1) }
                if pending.count >= length + 1 {
                    let message = Message(
                        kind: Character(Unicode.Scalar(pending[0])), body: Array(pending[5..<length + 1]))
                    pending.removeFirst(length + 1)
                    return message
                }
            }
            guard let more = try await inbound.next() else { return nil }
            pending.append(contentsOf: more.readableBytesView)
        }
    }

    /// Messages up to ReadyForQuery or the end.
    func untilReady() async throws -> [Message] {
        var messages: [Message] = []
        while let message = try await next() {
            messages.append(message)
            if message.kind == "Z" { break }
        }
        return messages
    }

    /// Starts a session as a trusted user.
    func login(_ user: String = "ana") async throws -> [Message] {
        try await send(Send.startup(user: user))
        return try await untilReady()
    }
}

extension [Message] {
    var kinds: String { String(map(\.kind)) }
}
