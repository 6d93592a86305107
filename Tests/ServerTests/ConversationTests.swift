import Foundation
import Support
import Testing

/// Every file of Queries/protocol, held with a listener over a real engine.
@Suite("Recorded conversations") struct ConversationTests {
    static let folder = TestLake.root + "/Queries/protocol/"
    static let files: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test("there are conversations") func present() { #expect(Self.files.count >= 6) }

    @Test("the server answers as recorded", arguments: files)
    func file(name: String) async throws {
        let conversation = Conversation(try String(contentsOfFile: Self.folder + name, encoding: .utf8))
        try await servingLake { port, _ in
            var rest = conversation.turns[...]
            while !rest.isEmpty {
                // One connection up to the next beginning of one, or to its end.
                rest = try await RawClient.with(port: port) { client in
                    try await Self.hold(rest, client, name)
                }
            }
        }
    }

    private static func hold(
        _ turns: ArraySlice<Conversation.Turn>, _ client: RawClient, _ name: String
    ) async throws -> ArraySlice<Conversation.Turn> {
        var rest = turns
        var sent: [String] = []
        while let turn = rest.first {
            let begins = turn.words[0] == "Startup" || turn.words[0] == "Login"
            if begins, rest.startIndex != turns.startIndex { return rest }
            rest.removeFirst()
            sent.append(turn.words.joined(separator: " "))
            try await client.send(Conversation.bytes(turn.words))
            if turn.words[0] == "Terminate" { return rest }
            guard turn.isRead else { continue }
            var lines = try await client.untilReady().map(Conversation.line)
            if lines.last?.hasPrefix("ReadyForQuery") != true { lines.append("End") }
            if turn.words[0] != "Login" {
                #expect(lines == turn.answers, "\(name):\(turn.line): \(sent.joined(separator: "; "))")
            }
            sent = []
            if lines.last == "End" { return rest }
        }
        return rest
    }
}
