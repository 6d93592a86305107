// LISTEN and NOTIFY between connections: what arrives, when, and what never does.
import Support
import Testing

@testable import Coordinator
@testable import Server

@Suite("Notifications") struct NotificationTests {
    /// Channel and payload of a NotificationResponse.
    private static func told(_ message: Message?) -> String {
        guard let message, message.kind == "A" else { return message?.description ?? "end" }
        return message.body.dropFirst(4).split(separator: 0, omittingEmptySubsequences: false).prefix(2)
            .map { String(decoding: $0, as: UTF8.self) }.joined(separator: ":")
    }

    @Test("an idle session is told at once, one in a transaction behind its end")
    func delivery() async throws {
        try await servingLake { port, _ in
            try await RawClient.with(port: port) { listener in
                _ = try await listener.login()
                _ = try await listener.run("listen news", .simple)
                try await RawClient.with(port: port) { sender in
                    let hello = try await sender.login()
                    _ = try await sender.run("notify news, 'one'", .simple)
                    let first = try #require(try await listener.next())
                    #expect(Self.told(first) == "news:one")
                    // The process is the sender's.
                    #expect(Array(first.body.prefix(4)) == Array(hello[hello.count - 2].body.prefix(4)))

                    // Only a commit sends, each text once, in order.
                    _ = try await sender.run("begin", .simple)
                    _ = try await sender.run("notify news, 'two'", .simple)
                    _ = try await sender.run("notify news, 'two'", .simple)
                    _ = try await sender.run("savepoint s", .simple)
                    _ = try await sender.run("notify news, 'lost'", .simple)
                    _ = try await sender.run("rollback to s", .simple)
                    _ = try await sender.run("select pg_notify('news', 'three')", .simple)
                    _ = try await sender.run("commit", .simple)
                    #expect(Self.told(try await listener.next()) == "news:two")
                    #expect(Self.told(try await listener.next()) == "news:three")
                    _ = try await sender.run("begin", .simple)
                    _ = try await sender.run("notify news, 'never'", .simple)
                    _ = try await sender.run("rollback", .simple)

                    _ = try await listener.run("begin", .simple)
                    _ = try await sender.run("notify news, 'four'", .simple)
                    try await listener.send(Send.query("select 1"))
                    #expect(try await listener.untilReady().kinds == "TDCZ")
                    try await listener.send(Send.query("commit"))
                    let end = try await listener.untilReady()
                    #expect(end.kinds == "CAZ" && Self.told(end[1]) == "news:four")

                    _ = try await listener.run("unlisten *", .simple)
                    _ = try await sender.run("notify news, 'five'", .simple)
                    try await listener.send(Send.query("listen news; notify news, 'own'"))
                    let own = try await listener.untilReady()
                    #expect(own.kinds == "CCAZ" && Self.told(own[2]) == "news:own")
                }
            }
        }
    }

    @Test("a queue that nobody empties is bounded, and refuses the commit that would fill it")
    func bounds() async throws {
        try await servingLake { port, _ in
            try await RawClient.with(port: port) { listener in
                _ = try await listener.login()
                _ = try await listener.run("listen flood", .simple)
                _ = try await listener.run("begin", .simple)
                try await RawClient.with(port: port) { sender in
                    _ = try await sender.login()
                    let text = "select count(pg_notify('flood', g || repeat('x', 7900))) from generate_series(1, 500) g"
                    var state: String?
                    for _ in 0..<10 where state == nil {
                        try await sender.send(Send.query(text))
                        state = try await sender.untilReady().first { $0.kind == "E" }?.field("C")
                    }
                    #expect(state == "54000")
                    try await sender.send(Send.query("notify flood, '\(String(repeating: "x", count: 8_000))'"))
                    #expect(try await sender.untilReady().first?.field("C") == "22023")
                }
                try await listener.send(Send.query("commit"))
                let told = try await listener.untilReady()
                #expect(told.count > 1_000 && told.filter { $0.kind == "A" }.count == told.count - 2)
            }
        }
    }
}
