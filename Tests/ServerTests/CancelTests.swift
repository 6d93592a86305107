// What ends a statement early: CancelRequest and statement_timeout, with a real engine behind the socket.
import Diagnostics
import Support
import Synchronization
import Testing

@testable import Coordinator
@testable import Server

@Suite("Ending statements early") struct CancelTests {
    private static let endless = "select count(*) from generate_series(1, 2000000000000) g"
    /// Two rows at once, and then none for hours.
    private static let slow = "select g from generate_series(1, 2000000000000) g where g < 3 or g = 2000000000000"

    /// Runs a statement while another connection sends a CancelRequest.
    private static func cancelled(
        _ client: RawClient, _ key: [UInt8], _ port: Int, _ send: () async throws -> Void
    ) async throws -> [Message] {
        try await send()
        try await Task.sleep(for: .milliseconds(200))
        try await RawClient.with(port: port) { other in
            try await other.send(Send.word(16), Send.word(80_877_102), key)
            #expect(try await other.next() == nil)
        }
        return try await client.untilReady()
    }

    @Test("a CancelRequest ends a query, a FETCH after other statements and a portal that goes on")
    func cancel() async throws {
        try await servingLake { port, _ in
            try await RawClient.with(port: port) { client in
                let hello = try await client.login()
                let key = hello[hello.count - 2].body
                var answer = try await Self.cancelled(client, key, port) {
                    try await client.send(Send.query(Self.endless))
                }
                #expect(answer.kinds == "TEZ" && answer[1].field("C") == "57014")
                #expect(answer[1].field("M") == "canceling statement due to user request")

                _ = try await client.run("begin", .simple)
                _ = try await client.run("declare c cursor for \(Self.slow)", .simple)
                #expect(try await client.run("select 1", .simple).rows == ["1"])
                #expect(try await client.run("fetch 2 from c", .simple).rows == ["1", "2"])
                answer = try await Self.cancelled(client, key, port) {
                    try await client.send(Send.query("fetch 1 from c"))
                }
                #expect(answer.first { $0.kind == "E" }?.field("C") == "57014")
                _ = try await client.run("rollback", .simple)

                _ = try await client.run("begin", .simple)
                try await client.send(
                    Send.parse(Self.slow), Send.bind(portal: "p"), Send.execute(2, portal: "p"), Send.sync)
                #expect(try await client.untilReady().kinds == "12DDsZ")
                #expect(try await client.run("select 1", .simple).rows == ["1"])
                answer = try await Self.cancelled(client, key, port) {
                    try await client.send(Send.execute(2, portal: "p"), Send.sync)
                }
                #expect(answer.kinds == "EZ" && answer[0].field("C") == "57014")
                _ = try await client.run("rollback", .simple)
                #expect(try await client.run("select 2", .simple).rows == ["2"])
            }
        }
    }

    @Test("statement_timeout ends a statement, and does not count the time between them")
    func timeout() async throws {
        try await servingLake { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                _ = try await client.run("set statement_timeout = '300ms'", .simple)
                let start = ContinuousClock.now
                for mode in QueryMode.allCases {
                    let answer = try await client.run(Self.endless, mode)
                    #expect(answer.state == "57014" && answer.message == "canceling statement due to statement timeout")
                }
                #expect(ContinuousClock.now - start < .seconds(10))
                _ = try await client.run("begin", .simple)
                _ = try await client.run("declare c cursor for \(Self.slow)", .simple)
                try await Task.sleep(for: .milliseconds(600))
                #expect(try await client.run("fetch 2 from c", .simple).rows == ["1", "2"])
                #expect(try await client.run("fetch 1 from c", .simple).state == "57014")
                _ = try await client.run("rollback", .simple)
            }
        }
    }

    @Test("what cannot be interrupted is left behind, and what it brings is discarded")
    func planning() async throws {
        let watch = StatementWatch(timeoutMilliseconds: 50)
        let start = ContinuousClock.now
        let discarded = FakeEngine.Opened()
        await #expect(throws: SQLError.self) {
            _ = try await watch.perform { () async throws(SQLError) -> Int in
                let until = ContinuousClock.now + .milliseconds(500)
                while ContinuousClock.now < until { try? await Task.sleep(for: .milliseconds(10)) }
                return 7
            } discard: { value, cause in
                if cause.state == .queryCanceled { discarded.count.add(value, ordering: .relaxed) }
            }
        }
        #expect(ContinuousClock.now - start < .milliseconds(400))
        #expect(try await eventually { discarded.count.load(ordering: .relaxed) == 7 })
        // A statement that is over is not stopped any more.
        let other = StatementWatch(timeoutMilliseconds: 0)
        other.end()
        other.stop(SQLError(.queryCanceled, "late"))
        #expect(try await other.perform { () async throws(SQLError) -> Int in 1 } == 1)
    }
}
