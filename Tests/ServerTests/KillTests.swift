// The server is killed (SIGKILL) under load, again and again. What was acknowledged is there; no commit is there by half.
// APUS_KILLS=500 makes it long.
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// The `apus` beside the tests, over a data folder of its own.
private final class KilledServer: Sendable {
    let folder: String
    let port: Int
    private let process = Mutex<Process?>(nil)

    init() async throws {
        folder = NSTemporaryDirectory() + "apus-kill-" + UUID().uuidString
        let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        port = try #require(probe.localAddress?.port)
        try await probe.close().get()
    }

    /// Starts, and waits until a session opens.
    func start() async throws {
        let binary = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("apus")
        let next = Process()
        next.executableURL = binary
        next.arguments = ["serve", "--port", "\(port)", "--http-port", "0", "--data-dir", folder + "/data"]
        next.environment = ProcessInfo.processInfo.environment.merging(["APUS_LOG_LEVEL": "error"]) { _, new in new }
        try next.run()
        process.withLock { $0 = next }
        for _ in 0..<600 {
            let isUp = try? await RawClient.with(port: port) { try await $0.login().kinds.hasSuffix("Z") }
            if isUp == true { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("the server does not start")
    }

    func kill() {
        guard let running = process.withLock({ $0 }) else { return }
        Foundation.kill(running.processIdentifier, SIGKILL)
        running.waitUntilExit()
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

/// What the clients were told.
private struct Acknowledged: Sendable {
    /// The last number of each writer.
    var writers = [Int](repeating: 0, count: KillTests.writers)
    /// The last number written on the branch, and the last that a merge brought over.
    var branch = 0
    var merged = 0
    /// The last table put in place of another.
    var replaced = 0
}

private final class Known: Sendable {
    private let state = Mutex(Acknowledged())
    func withLock<R>(_ body: (inout Acknowledged) -> sending R) -> R { state.withLock { body(&$0) } }
}

@Suite("Killed servers") struct KillTests {
    static let writers = 3
    static let rounds = ProcessInfo.processInfo.environment["APUS_KILLS"].flatMap(Int.init) ?? 5

    @Test("acknowledged commits survive, half commits do not exist") func kills() async throws {
        let server = try await KilledServer()
        try await server.start()
        try await RawClient.with(port: server.port) { client in
            _ = try await client.login()
            for writer in 0..<Self.writers { try await Self.done("CREATE TABLE w\(writer) (k int)", client) }
            try await Self.done("CREATE TABLE together (w int, k int)", client)
            try await Self.done("CREATE TABLE replaced AS SELECT 0 AS k FROM generate_series(1, 10)", client)
            try await Self.done("CREATE TABLE branched (k int)", client)
            try await Self.done("CREATE BRANCH dev", client)
        }
        let known = Known()
        for round in 0..<Self.rounds {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for writer in 0..<Self.writers {
                    tasks.addTask { await Self.load(server, "lake") { try await Self.write(writer, known, $0) } }
                }
                tasks.addTask { await Self.load(server, "lake@dev") { try await Self.writeBranch(known, $0) } }
                tasks.addTask { await Self.load(server, "lake") { try await Self.replace(known, $0) } }
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...900)))
                server.kill()
                try await tasks.waitForAll()
            }
            try await server.start()
            try await Self.verify(server, known, round)
        }
        server.kill()
        let last = known.withLock { $0 }
        // A test that wrote nothing would prove nothing.
        #expect(last.writers.allSatisfy { $0 > 0 } && last.branch > 0 && last.replaced > 0, "\(last)")
    }

    // MARK: - Load

    private static func load(
        _ server: KilledServer, _ database: String, _ work: (RawClient) async throws -> Void
    ) async {
        // Ends when the server is gone.
        try? await RawClient.with(port: server.port) { client in
            try await client.send(Send.startup(user: "ana", database: database))
            _ = try await client.untilReady()
            while true { try await work(client) }
        }
    }

    private struct Gone: Error {}

    /// Runs a statement to its acknowledgement.
    private static func done(_ sql: String, _ client: RawClient) async throws {
        let answer = try await client.run(sql, .simple)
        guard answer.kinds.hasSuffix("Z") else { throw Gone() }
        guard answer.state == nil else {
            Issue.record("\(sql): \(answer.message)")
            throw Gone()
        }
    }

    private static func write(_ writer: Int, _ known: Known, _ client: RawClient) async throws {
        let next = known.withLock { $0.writers[writer] } + 1
        try await done("BEGIN", client)
        try await done("INSERT INTO w\(writer) VALUES (\(next))", client)
        try await done("INSERT INTO together VALUES (\(writer), \(next))", client)
        try await done("COMMIT", client)
        known.withLock { $0.writers[writer] = next }
    }

    private static func writeBranch(_ known: Known, _ client: RawClient) async throws {
        let next = known.withLock { $0.branch } + 1
        try await done("INSERT INTO branched VALUES (\(next))", client)
        known.withLock { $0.branch = next }
        try await done("MERGE BRANCH dev INTO main", client)
        known.withLock { $0.merged = next }
    }

    private static func replace(_ known: Known, _ client: RawClient) async throws {
        let next = known.withLock { $0.replaced } + 1
        try await done("CREATE OR REPLACE TABLE replaced AS SELECT \(next) AS k FROM generate_series(1, 10)", client)
        known.withLock { $0.replaced = next }
    }

    // MARK: - Checks

    private static func verify(
        _ server: KilledServer, _ known: Known, _ round: Int
    ) async throws {
        var state = known.withLock { $0 }
        try await RawClient.with(port: server.port) { client in
            _ = try await client.login()
            for writer in 0..<writers {
                let alone = try await run("w\(writer)", "", client)
                let together = try await run("together", "WHERE w = \(writer)", client)
                #expect(alone == together, "round \(round): a half commit of writer \(writer)")
                #expect(
                    alone == state.writers[writer] || alone == state.writers[writer] + 1,
                    "round \(round): \(alone) of \(state.writers[writer])")
                state.writers[writer] = alone
            }
            let branch = try await run("branched@dev", "", client)
            #expect(branch == state.branch || branch == state.branch + 1, "round \(round)")
            let merged = try await run("branched", "", client)
            #expect(merged >= state.merged && merged <= branch, "round \(round)")
            (state.branch, state.merged) = (branch, merged)
            let rows = try await client.run("SELECT count(*), min(k), max(k) FROM replaced", .simple).rows
            let cells = (rows.first ?? "").split(separator: "|").compactMap { Int($0) }
            #expect(cells.count == 3 && cells[0] == 10 && cells[1] == cells[2], "round \(round): \(rows)")
            let replaced = cells.last ?? -1
            #expect(replaced == state.replaced || replaced == state.replaced + 1, "round \(round)")
            state.replaced = replaced
        }
        known.withLock { $0 = state }
    }

    /// The last of the numbers 1, 2, 3, … that a table has; each must be there once.
    private static func run(_ table: String, _ filter: String, _ client: RawClient) async throws -> Int {
        let sql = "SELECT count(*), count(DISTINCT k), coalesce(max(k), 0) FROM \(table) \(filter)"
        let answer = try await client.run(sql, .simple)
        let cells = (answer.rows.first ?? "").split(separator: "|").compactMap { Int($0) }
        #expect(cells.count == 3 && Set(cells).count == 1, "\(table) \(filter): \(answer.rows) \(answer.message)")
        return cells.first ?? -1
    }
}
