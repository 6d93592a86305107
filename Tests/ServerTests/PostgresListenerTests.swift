// The sockets: real connections to a listener whose sessions are fake.
import Logging
import Synchronization
import Testing

@testable import Access
@testable import PostgresWire
@testable import Server

@Suite("The PostgreSQL port")
struct PostgresListenerTests {
    @Test("several statements in one query, a notice before its tag, a changed setting")
    func simple() async throws {
        try await serving(FakeEngine()) { port, _ in
            try await RawClient.with(port: port) { client in
                let hello = try await client.login()
                #expect(hello.kinds == "RSSSSSSSSSKZ")
                try await client.send(Send.query("rows 2; notice; set TimeZone CET; insert 3"))
                let answer = try await client.untilReady()
                #expect(answer.kinds == "TDDCNCCCSZ")
                #expect(answer[3].description == "C:SELECT 2|")
                #expect(answer[7].description == "C:INSERT 0 3|")
                try await client.send(Send.query(""))
                #expect(try await client.untilReady().kinds == "IZ")
            }
        }
    }

    @Test("an error ends the text, rows before it stay sent, the position counts characters")
    func errors() async throws {
        try await serving(FakeEngine()) { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                try await client.send(Send.query("rows 1; fail; rows 1"))
                let answer = try await client.untilReady()
                #expect(answer.kinds == "TDCEZ")
                #expect(answer[3].description.contains("C22012|"))
                try await client.send(Send.query("ä syntax"))
                #expect(try await client.untilReady()[0].description.contains("P2|"))
                try await client.send(Send.query("failat 3000"))
                let kinds = try await client.untilReady().kinds
                #expect(kinds.hasSuffix("EZ") && kinds.count { $0 == "D" } == 4096)
            }
        }
    }

    @Test("a row limit suspends the portal, also within a batch; in a block it outlives Sync")
    func suspension() async throws {
        try await serving(FakeEngine()) { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                try await client.send(
                    Send.parse("rows 5"), Send.bind(), Send.execute(2), Send.execute(2), Send.execute(2),
                    Send.execute(),
                    Send.sync)
                let answer = try await client.untilReady()
                #expect(answer.kinds == "12DDsDDsDCCZ")
                #expect(answer[9].description == "C:SELECT 1|")
                try await client.send(Send.query("begin"))
                _ = try await client.untilReady()
                try await client.send(
                    Send.parse("rows 3"), Send.bind(portal: "p"), Send.execute(1, portal: "p"), Send.sync)
                #expect(try await client.untilReady().kinds == "12DsZ")
                try await client.send(Send.execute(portal: "p"), Send.sync)
                #expect(try await client.untilReady().kinds == "DDCZ")
                try await client.send(Send.query("commit"))
                _ = try await client.untilReady()
                try await client.send(Send.execute(portal: "p"), Send.sync)
                let gone = try await client.untilReady()
                #expect(gone.kinds == "EZ" && gone[0].description.contains("C34000|"))
            }
        }
    }

    @Test("an error in a pipeline skips to Sync, a failed block says E")
    func pipeline() async throws {
        try await serving(FakeEngine()) { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                try await client.send(Send.query("begin"))
                #expect(try await client.untilReady().last?.body == [84])
                try await client.send(
                    Send.parse("fail"), Send.bind(), Send.execute(), Send.parse("rows 1"), Send.bind(), Send.execute(),
                    Send.sync, Send.query("rows 1"), Send.query("rollback"))
                let failed = try await client.untilReady()
                #expect(failed.kinds == "12EZ" && failed.last?.body == [69])
                #expect(try await client.untilReady()[0].description.contains("C25P02|"))
                #expect(try await client.untilReady().last?.body == [73])
            }
        }
    }

    @Test("a client that does not read parks its query")
    func backpressure() async throws {
        let engine = FakeEngine()
        try await serving(engine) { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                try await client.send(Send.query("rows 100000000"))
                #expect(try await eventually { engine.open.batches.load(ordering: .relaxed) > 0 })
                var (before, now) = (-1, 0)
                while before != now {
                    before = now
                    try await Task.sleep(for: .milliseconds(300))
                    now = engine.open.batches.load(ordering: .relaxed)
                }
                // Sockets of this machine hold a few megabytes; a batch is about 70 KB.
                #expect(now < 1000)
            }
            // The client left in the middle of its result.
            #expect(try await eventually { engine.open.count.load(ordering: .relaxed) == 0 })
        }
    }

    @Test("a CancelRequest ends the statement, not the session; a wrong secret does nothing")
    func cancel() async throws {
        try await serving(FakeEngine()) { port, _ in
            try await RawClient.with(port: port) { client in
                let hello = try await client.login()
                let key = hello[hello.count - 2].body
                try await client.send(Send.query("wait"))
                for secret in [[UInt8](repeating: 7, count: 4), Array(key[4...])] {
                    try await RawClient.with(port: port) { other in
                        try await other.send(Send.word(16), Send.word(80_877_102), Array(key[..<4]), secret)
                        #expect(try await other.next() == nil)
                    }
                }
                let answer = try await client.untilReady()
                #expect(answer.kinds == "TEZ" && answer[1].description.contains("C57014|"))
                try await client.send(Send.query("rows 1"))
                #expect(try await client.untilReady().kinds == "TDCZ")
            }
        }
    }

    @Test("one connection too many is told so")
    func limit() async throws {
        try await serving(FakeEngine(), connectionsMax: 1) { port, _ in
            try await RawClient.with(port: port) { first in
                _ = try await first.login()
                try await RawClient.with(port: port) { second in
                    let refused = try await second.login()
                    #expect(refused[0].description.contains("C53300|"))
                }
            }
        }
    }

    @Test("SSLRequest without a certificate is N; wrong databases and rejected users are told why")
    func refusals() async throws {
        try await serving(FakeEngine()) { port, _ in
            for (user, database, code) in [
                ("ana", "missing", "3D000"), ("reject", "lake", "28000"), ("", "lake", "28000"),
            ] {
                try await RawClient.with(port: port) { client in
                    try await client.send(Send.startup(user: user, database: database))
                    #expect(try await client.untilReady().last?.description.contains("C\(code)|") == true)
                }
            }
        }
    }

    @Test("a password is proved, a wrong one and an unknown user fail alike")
    func scram() async throws {
        let salt = Array(UInt8(0)..<16)
        let engine = FakeEngine(verifiers: ["ben": ScramVerifier(password: "geheim", salt: salt).text])
        try await serving(engine) { port, _ in
            for (user, password, isRight) in [
                ("ben", "geheim", true), ("ben", "falsch", false), ("nobody", "x", false),
            ] {
                try await RawClient.with(port: port) { client in
                    try await client.send(Send.startup(user: user))
                    #expect(try await client.next()?.description.contains("SCRAM-SHA-256") == true)
                    let bare = "n=,r=clientnonce"
                    let initial = Send.text("SCRAM-SHA-256") + Send.word(bare.utf8.count + 3) + Array("n,,\(bare)".utf8)
                    try await client.send(Send.message("p", initial))
                    let first = String(decoding: try await client.next()?.body.dropFirst(4) ?? [], as: UTF8.self)
                    let parts = first.split(separator: ",").map { String($0.dropFirst(2)) }
                    let final = "c=biws,r=\(parts[0])"
                    let saltSent = Base64.decode(Array(parts[1].utf8)) ?? []
                    let salted = Scram.salted(Array(password.utf8), salt: saltSent, iterations: Int(parts[2]) ?? 1)
                    let clientKey = Scram.hmac(salted, Array("Client Key".utf8))
                    let signature = Scram.hmac(Scram.hash(clientKey), Array("\(bare),\(first),\(final)".utf8))
                    let proof = Base64.encode(zip(clientKey, signature).map { $0 ^ $1 })
                    try await client.send(Send.message("p", Array("\(final),p=\(proof)".utf8)))
                    let answer = try await client.untilReady()
                    if isRight {
                        #expect(answer.kinds.hasPrefix("RRS") && answer.last?.kind == "Z")
                    } else {
                        #expect(answer.kinds == "E" && answer[0].description.contains("C28P01|"))
                    }
                }
            }
        }
    }

    @Test("a server that stops tells every client, waiting or busy")
    func shutdown() async throws {
        let engine = FakeEngine()
        let (ports, found) = AsyncStream<Int>.makeStream()
        let listener = try PostgresListener(
            engine: engine, configuration: ServerConfiguration(port: 0), metrics: ServerMetrics(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let server = Task { try await listener.run { found.yield($0) } }
        for await port in ports {
            try await RawClient.with(port: port) { idle in
                _ = try await idle.login()
                try await RawClient.with(port: port) { busy in
                    _ = try await busy.login()
                    try await busy.send(Send.query("wait"))
                    let isWaiting = try await eventually { engine.open.waiting.load(ordering: .relaxed) == 1 }
                    #expect(isWaiting)
                    server.cancel()
                    let last = try await busy.untilReady().last
                    #expect(last?.description.contains("C57P01|") == true)
                }
                let last = try await idle.untilReady().last
                #expect(last?.description.contains("C57P01|") == true)
            }
            break
        }
        _ = await server.result
    }
}
