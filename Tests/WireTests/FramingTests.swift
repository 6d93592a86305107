// Bytes to messages: limits, malformed messages, and mutated conversations that must never trap.
import Diagnostics
import Testing

@testable import PostgresWire

/// Builds what clients send.
enum Client {
    static func word(_ value: Int) -> [UInt8] { big(UInt32(truncatingIfNeeded: value)) }
    static func half(_ value: Int) -> [UInt8] { big(UInt16(truncatingIfNeeded: value)) }
    static func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
    static func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }
    static func message(_ kind: Character, _ body: [UInt8] = []) -> [UInt8] {
        [kind.asciiValue ?? 0] + word(body.count + 4) + body
    }
    static func startup(_ parameters: [(String, String)], version: Int = 196_608) -> [UInt8] {
        var body: [UInt8] = []
        for (name, value) in parameters { body += text(name) + text(value) }
        body.append(0)
        return word(body.count + 8) + word(version) + body
    }
    static func parse(_ name: String, _ sql: String, _ oids: [Int] = []) -> [UInt8] {
        message("P", text(name) + text(sql) + half(oids.count) + oids.flatMap(word))
    }
    static func bind(
        _ portal: String, _ statement: String, formats: [Int] = [], _ values: [[UInt8]?] = [], results: [Int] = []
    ) -> [UInt8] {
        var body = text(portal) + text(statement) + half(formats.count) + formats.flatMap(half) + half(values.count)
        for value in values { body += value.map { word($0.count) + $0 } ?? word(-1) }
        return message("B", body + half(results.count) + results.flatMap(half))
    }
    static func execute(_ portal: String, _ rows: Int = 0) -> [UInt8] { message("E", text(portal) + word(rows)) }
}

/// A conversation of every message there is.
let conversation: [UInt8] = {
    let messages: [[UInt8]] = [
        Client.message("Q", Client.text("select 1; select 'ä'")),
        Client.parse("s1", "select $1::int4", [23]),
        Client.message("D", [83] + Client.text("s1")),
        Client.bind("p1", "s1", formats: [1], [[0, 0, 0, 7], nil], results: [1, 0]),
        Client.message("D", [80] + Client.text("p1")),
        Client.execute("p1", 10),
        Client.message("H"),
        Client.execute("p1"),
        Client.message("C", [80] + Client.text("p1")),
        Client.message("C", [83] + Client.text("s1")),
        Client.message("S"),
        Client.message("d", [1, 2, 3]),
        Client.message("c"),
        Client.message("f", Client.text("no")),
        Client.message("F", [0, 1]),
        Client.message("X"),
    ]
    return Array(messages.joined())
}()

struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

extension Framing {
    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }
}

@Suite("Framing")
struct FramingTests {
    @Test("a conversation in single bytes gives every message")
    func singleBytes() throws {
        var framing = Framing()
        framing.isAuthenticated = true
        var kinds = ""
        for byte in conversation {
            framing.append([byte])
            while let frame = try framing.nextFrame() {
                kinds.append(Character(Unicode.Scalar(frame.kind)))
                if frame.kind != 70 { _ = try FrontendMessage(frame) }
            }
        }
        #expect(kinds == "QPDBDEHECCSdcfFX")
        #expect(framing.pendingBytes == 0)
    }

    @Test("startup packets")
    func startup() throws {
        var framing = Framing()
        framing.append([0, 0, 0, 8, 4, 210, 22, 47])
        framing.append([0, 0, 0, 8, 4, 210, 22, 48])
        framing.append([0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 9, 255, 255, 255, 255])
        let options = " -csearch_path=\"a\",b -c x=1\\ 2 --geqo-x=off"
        framing.append(Client.startup([("user", "ana"), ("database", "lake"), ("options", options)]))
        guard case .ssl = try framing.nextStartup() else { Issue.record("no SSLRequest"); return }
        guard case .gssEncryption = try framing.nextStartup() else { Issue.record("no GSSENCRequest"); return }
        guard case .cancel(9, -1) = try framing.nextStartup() else { Issue.record("no CancelRequest"); return }
        guard case .startup(let message) = try framing.nextStartup() else { Issue.record("no startup"); return }
        #expect(message["user"] == "ana")
        let settings = try message.settings().map { "\($0.name)=\($0.value)" }
        #expect(settings == ["search_path=\"a\",b", "x=1 2", "geqo_x=off"])
    }

    @Test(
        "what cannot be framed is a protocol violation",
        arguments: [
            [UInt8](repeating: 255, count: 8), [0, 0, 0, 3, 0, 3, 0, 0], [0, 0, 39, 17, 0, 3, 0, 0],
            [0, 0, 0, 9, 0, 3, 0, 0, 65], [0, 0, 0, 12, 0, 3, 0, 0, 65, 0, 66, 0], [0, 0, 0, 9, 4, 210, 22, 47, 0],
        ])
    func badStartup(_ bytes: [UInt8]) {
        var framing = Framing()
        framing.append(bytes)
        #expect(throws: SQLError.self) { try framing.nextStartup() }
    }

    @Test("an unauthenticated client sends only short passwords")
    func unauthenticated() {
        var framing = Framing()
        framing.append(Client.message("Q", Client.text("select 1")))
        #expect(throws: SQLError.self) { try framing.nextFrame() }
        var long = Framing()
        long.append([112, 0, 2, 0, 0])
        #expect(throws: SQLError.self) { try long.nextFrame() }
    }

    @Test("text that is not UTF-8 is 22021 and names the bytes")
    func badText() throws {
        let frame = Frame(kind: 81, body: [65, 0xc3, 0x28, 0])
        #expect(throws: SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28")) {
            try FrontendMessage(frame)
        }
    }

    @Test("ten thousand mutated conversations never trap")
    func mutations() {
        var random = Random(state: 0x9e37_79b9_7f4a_7c15)
        var messages = 0
        for _ in 0..<10_000 {
            var bytes = conversation
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[at] = [0, 1, 127, 128, 255].randomElement(using: &random) ?? 0
                case 2: bytes.remove(at: at)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
                }
            }
            var framing = Framing()
            framing.isAuthenticated = true
            framing.append(bytes)
            var state = ConnectionState()
            do {
                while let frame = try framing.nextFrame() {
                    messages += 1
                    var waiting = state.receive(frame)
                    while let action = waiting.first {
                        waiting.removeFirst()
                        if case .bind(let bind) = action {
                            for (index, value) in bind.parameters.enumerated() {
                                for type in [SQLTypeSample.all[messages % SQLTypeSample.all.count]] {
                                    _ = try? ParameterDecoder.decode(
                                        value, bind.parameterFormat(index), as: type, number: index + 1)
                                }
                            }
                        }
                        if state.isBusy { waiting += state.finished(.success(())) }
                    }
                }
            } catch {}
        }
        #expect(messages > 10_000)
    }

    @Test("a thousand mutated startup packets never trap")
    func startupMutations() {
        var random = Random(state: 77)
        let packet = Client.startup([("user", "ana"), ("options", "-c a=b")])
        for _ in 0..<1000 {
            var bytes = packet
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            var framing = Framing()
            framing.append(bytes)
            if case .startup(let message) = try? framing.nextStartup() { _ = try? message.settings() }
        }
    }
}
