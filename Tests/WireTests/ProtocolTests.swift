// The state machine, fed with messages; SCRAM against the vectors of RFC 7677.
import Diagnostics
import Testing

@testable import PostgresWire

/// What an action is, in one word.
private func word(_ action: Action) -> String {
    switch action {
    case .query(let sql): "query(\(sql))"
    case .parse(let message): "parse(\(message.name))"
    case .bind(let message): "bind(\(message.portal))"
    case .describeStatement(let name): "describe(S \(name))"
    case .describePortal(let name): "describe(P \(name))"
    case .execute(let portal, let rows): "execute(\(portal) \(rows.map(String.init) ?? "all"))"
    case .closeStatement(let name): "close(S \(name))"
    case .closePortal(let name): "close(P \(name))"
    case .fail(let error): "fail(\(error.state.code))"
    case .ready: "ready"
    case .flush: "flush"
    case .fatal(let error): "fatal(\(error.state.code))"
    case .terminate: "terminate"
    }
}

/// Plays bytes of a client; actions that match `failing` fail.
private func play(_ bytes: [UInt8], failing: Set<String> = []) -> [String] {
    var framing = Framing()
    framing.isAuthenticated = true
    framing.append(bytes)
    var state = ConnectionState()
    var words: [String] = []
    while let frame = try? framing.nextFrame() {
        for action in state.receive(frame) {
            words.append(word(action))
            if state.isBusy {
                let error = SQLError(.divisionByZero, "division by zero")
                words += state.finished(failing.contains(word(action)) ? .failure(error) : .success(())).map(word)
            }
        }
    }
    return words
}

@Suite("The protocol")
struct ProtocolTests {
    @Test("a simple query ends with ready, well or not")
    func simple() {
        let bytes = Client.message("Q", Client.text("a"))
        #expect(play(bytes) == ["query(a)", "ready", "flush"])
        #expect(play(bytes, failing: ["query(a)"]) == ["query(a)", "fail(22012)", "ready", "flush"])
    }

    @Test("an error skips everything up to Sync, queries too")
    func skipping() {
        let messages: [[UInt8]] = [
            Client.parse("", "x"), Client.bind("", ""), Client.message("Q", Client.text("a")), Client.message("H"),
            Client.message("S"), Client.bind("", ""), Client.execute("", 5), Client.message("S"),
        ]
        let bytes = Array(messages.joined())
        #expect(
            play(bytes, failing: ["parse()"]) == [
                "parse()", "fail(22012)", "flush", "ready", "flush", "bind()", "execute( 5)", "ready", "flush",
            ])
    }

    @Test("the whole conversation")
    func whole() {
        #expect(
            play(conversation) == [
                "query(select 1; select 'ä')", "ready", "flush", "parse(s1)", "describe(S s1)", "bind(p1)",
                "describe(P p1)", "execute(p1 10)", "flush", "execute(p1 all)", "close(P p1)", "close(S s1)", "ready",
                "flush", "fail(0A000)", "ready", "flush", "terminate",
            ])
    }

    @Test("a malformed Bind fails until Sync, a malformed Query at once, a password is fatal")
    func malformed() {
        let sync = Client.message("S")
        #expect(
            play(Client.message("B", [1, 2]) + Client.execute("") + sync) == ["fail(08P01)", "flush", "ready", "flush"])
        #expect(play(Client.message("Q", [65])) == ["fail(08P01)", "ready", "flush"])
        #expect(play(Client.message("p", [65]) + sync) == ["fatal(08P01)"])
        #expect(play(Client.parse("", "a") + Client.message("S", [0])) == ["parse()", "fatal(08P01)"])
    }

    @Test("an error's position counts characters")
    func position() {
        let buffer = WireBuffer()
        buffer.errorResponse(SQLError(.syntaxError, "x", position: 4), sql: "ä, b")
        let bytes = buffer.withBytes { Array($0) }
        #expect(String(decoding: bytes, as: UTF8.self).contains("P4\0"))
    }
}
