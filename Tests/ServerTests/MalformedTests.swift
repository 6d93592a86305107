// What strangers send: ten thousand malformed messages and damaged files, and the server goes on serving.
import Foundation
import Support
import Synchronization
import Testing

@testable import Server

/// What the process holds, to see leaks.
enum ProcessUse {
    static var openFiles: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    }
    /// Bytes in RAM.
    static var residentBytes: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }
}

@Suite("Malformed input", .serialized) struct MalformedTests {
    static let messages = 10_000
    private static let messagesPerConnection = 20
    private static let clients = 4
    /// Above what one run adds to a process whose allocator is warm.
    private static let growthBytesMax = 96 << 20

    @Test("ten thousand malformed messages leave it serving, without a connection or much memory more")
    func messages() async throws {
        try await servingLake { port, metrics in
            // Warm up: pools and caches do not count.
            _ = try await Self.send(seed: 1, messages: 500, port)
            #expect(try await eventually { metrics.connectionsActive.load(ordering: .relaxed) == 0 })
            let (files, bytes) = (ProcessUse.openFiles, ProcessUse.residentBytes)
            let sent = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for client in 0..<Self.clients {
                    tasks.addTask {
                        try await Self.send(seed: UInt64(100 + client), messages: Self.messages / Self.clients, port)
                    }
                }
                return try await tasks.reduce(0, +)
            }
            #expect(sent >= Self.messages)
            try await Self.serves(port)
            #expect(try await eventually { metrics.connectionsActive.load(ordering: .relaxed) == 0 })
            #expect(try await eventually { ProcessUse.openFiles <= files })
            #expect(ProcessUse.residentBytes - bytes < Self.growthBytesMax)
            #expect(metrics.errors.load(ordering: .relaxed) > 1000)
        }
    }

    @Test("announced bytes take no memory until they come")
    func announcements() async throws {
        try await servingLake { port, metrics in
            let bytes = ProcessUse.residentBytes
            try await Self.announce(40, port)
            #expect(ProcessUse.residentBytes - bytes < 64 << 20)
            #expect(try await eventually { metrics.connectionsActive.load(ordering: .relaxed) == 0 })
            try await Self.serves(port)
        }
    }

    /// Opens connections inside each other, each with a query of 200 MB that does not come.
    private static func announce(_ count: Int, _ port: Int) async throws {
        guard count > 0 else { return }
        try await RawClient.with(port: port) { client in
            _ = try await client.login()
            try await client.send([81] + Send.word(200 << 20) + Array("select".utf8))
            try await announce(count - 1, port)
        }
    }

    /// Sends a series; returns how many messages it had.
    private static func send(seed: UInt64, messages: Int, _ port: Int) async throws -> Int {
        var source = MalformedMessages(random: SeededRandom(seed: seed))
        var sent = 0
        while sent < messages {
            let hasSession = source.random.below(5) > 0
            var bytes = hasSession ? Send.startup(user: "ana") : source.startup()
            if !hasSession { sent += 1 }
            if hasSession || source.random.below(2) == 0 {
                let count = 1 + source.random.below(messagesPerConnection)
                for _ in 0..<count { bytes += source.message() }
                sent += count
            }
            await RawClient.throwAway(bytes, port: port)
            // Also in between, someone is served.
            if source.random.below(100) == 0 { try await serves(port) }
        }
        return sent
    }

    /// A good query on a new connection, promptly.
    static func serves(_ port: Int) async throws {
        let start = ContinuousClock.now
        try await RawClient.with(port: port) { client in
            _ = try await client.login()
            let answer = try await client.run("select sum(g) from generate_series(1, 1000) g", .extendedText)
            #expect(answer.rows == ["500500"])
        }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    // MARK: Files

    private static let fixtures = TestLake.root + "/Fixtures/parquet/"
    private static let mutations = 300

    @Test("damaged Parquet files give rows or an error, in every mode", arguments: QueryMode.allCases)
    func damagedFiles(mode: QueryMode) async throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.fixtures + "bad").sorted()
        #expect(names.count >= 8)
        try await servingLake { port, _ in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                for name in names { try await Self.read(Self.fixtures + "bad/" + name, client, mode) }
            }
            try await Self.serves(port)
        }
    }

    @Test("good files with a few bytes changed or cut give rows or an error")
    func mutatedFiles() async throws {
        let folder = NSTemporaryDirectory() + "apus-mutated-\(ProcessInfo.processInfo.processIdentifier)/"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.fixtures + "data").sorted()
        try await servingLake { port, _ in
            var random = SeededRandom(seed: 7)
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                for number in 0..<Self.mutations {
                    let name = random.pick(names)
                    var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: Self.fixtures + "data/" + name)))
                    if random.below(8) == 0 { bytes.removeLast(random.below(bytes.count)) }
                    for _ in 0...random.below(6) where !bytes.isEmpty {
                        // The footer is where most of the meaning is.
                        let isFooter = random.below(2) == 0
                        let at =
                            isFooter ? bytes.count - 1 - random.below(min(bytes.count, 400)) : random.below(bytes.count)
                        bytes[at] = random.pick([0, 255, 127, 128, bytes[at] ^ 1, UInt8(random.below(256))])
                    }
                    let path = folder + "\(number).parquet"
                    try Data(bytes).write(to: URL(fileURLWithPath: path))
                    try await Self.read(path, client, random.pick(QueryMode.allCases))
                    try FileManager.default.removeItem(atPath: path)
                }
            }
            try await Self.serves(port)
        }
    }

    private static func read(_ path: String, _ client: RawClient, _ mode: QueryMode) async throws {
        for sql in ["select * from read_parquet('\(path)')", "select count(*) from read_parquet('\(path)')"] {
            let answer = try await client.run(sql, mode)
            let isError = answer.state?.utf8.count == 5 && answer.kinds.hasSuffix("EZ")
            let isWhole = answer.kinds.hasSuffix("CZ") || isError
            #expect(isWhole, "\(path): \(answer.kinds.suffix(8))")
            #expect(answer.state != "XX000", "\(path): \(answer.message)")
        }
    }

    // MARK: Clients that do not read

    @Test("a client that does not read holds up its query: few bytes are sent, little memory is used")
    func unread() async throws {
        try await servingLake { port, metrics in
            try await RawClient.with(port: port) { client in
                _ = try await client.login()
                let bytes = ProcessUse.residentBytes
                try await client.send(
                    Send.query("select g, repeat('x', 200) || g from generate_series(1, 50000000) g"))
                #expect(try await eventually { metrics.bytesSent.load(ordering: .relaxed) > 100_000 })
                var (before, now) = (-1, 0)
                while before != now {
                    before = now
                    try await Task.sleep(for: .milliseconds(300))
                    now = metrics.bytesSent.load(ordering: .relaxed)
                }
                // The kernel's buffers of both sides, and what a connection may have waiting: of a result of 10 GB.
                #expect(now < 32 << 20)
                #expect(ProcessUse.residentBytes - bytes < 96 << 20)
                try await Self.serves(port)
            }
            #expect(try await eventually { metrics.connectionsActive.load(ordering: .relaxed) == 0 })
        }
    }
}
