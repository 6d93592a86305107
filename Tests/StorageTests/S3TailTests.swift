// Servers that are slow, overloaded or replace objects: late answers are asked for again, requests and retries have
// limits, and a read never mixes two versions of an object.
import Diagnostics
import Foundation
import Testing

@testable import Storage

struct S3TailTests {
    private func against(
        _ reply: @escaping @Sendable (FaultyServer.Request) -> FaultyServer.Reply,
        configure: (inout S3Configuration) -> Void = { _ in }, _ body: (S3Store, ObjectInfo) async throws -> Void
    ) async throws {
        let server = FaultyServer(reply)
        defer { server.stop() }
        var configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(server.port)", accessKey: "key", secretKey: "secret", connectionsMax: 8,
            stallTimeoutSeconds: 20, retriesMax: 4)
        configure(&configuration)
        let info = ObjectInfo(path: try ObjectPath("s3://bucket/object"), sizeBytes: 10_000, modified: 0, etag: "e")
        try await body(S3Store(configuration), info)
    }

    @Test("a read that is bound to a version is an error when there is another", arguments: [true, false])
    func replaced(_ knowsIfMatch: Bool) async throws {
        try await against({ request in
            var reply = S3FaultTests.honest(request)
            guard request.attempt > 0 else { return reply }
            if knowsIfMatch {
                return request.headers["if-match"] == "\"e\"" ? .init(status: "412 Precondition Failed") : reply
            }
            reply.headers[0] = "ETag: \"other\""
            reply.body = reply.body.map { _ in 7 }
            return reply
        }) { store, info in
            let first = try await store.read([100..<200], of: info)
            #expect(first.first?.array == Array(S3FaultTests.content[100..<200]))
            let error = await errorOf { () throws(SQLError) in try await store.read([200..<300], of: info) }
            #expect(error?.state == .ioError)
            #expect(
                error?.message == "could not read \"s3://bucket/object\": it was replaced while it was read")
            #expect(error?.hint != nil)
        }
    }

    @Test("a file of this machine that was replaced is an error, too")
    func replacedFile() async throws {
        let path = try ObjectPath(NSTemporaryDirectory() + "replaced-\(UUID().uuidString)")
        let store = LocalStore()
        try await store.write([Bytes("one")], to: path)
        let info = try await store.head(path)
        #expect(try store.readBlocking([0..<3], of: info, metrics: nil).first?.array == Array("one".utf8))
        try await store.write([Bytes("two")], to: path)
        let error = await errorOf { () throws(SQLError) in try await store.read([0..<3], of: info) }
        #expect(error?.message.hasSuffix("it was replaced while it was read") == true)
        try await store.delete([path])
    }

    @Test("an answer that is late is asked for again, and the first answer counts")
    func hedges() async throws {
        try await against({ request in
            // Every thirtieth answer takes a minute.
            if request.attempt % 30 == 29 { Thread.sleep(forTimeInterval: 60) }
            return S3FaultTests.honest(request)
        }) { store, info in
            let metrics = StoreMetrics()
            for number in 0..<88 {
                let start = ContinuousClock.now
                if number % 2 == 0 {
                    let bytes = try await store.read([100..<1100], of: info, metrics: metrics)
                    #expect(bytes.first?.array == Array(S3FaultTests.content[100..<1100]))
                } else {
                    let (bytes, _) = try await store.readSuffix(500, of: info.path, metrics: metrics)
                    #expect(bytes.array == Array(S3FaultTests.content.suffix(500)))
                }
                let time = ContinuousClock.now - start
                #expect(time < .seconds(50), "\(number): \(time)")
            }
            let counters = metrics.counters
            #expect(counters.hedges >= 3 && counters.retries == 0)
            #expect(counters.bytesRead == 44 * 1_500)
        }
    }

    @Test("a server that trickles is given up at the deadline")
    func deadline() async throws {
        try await against(
            { request in
                if request.attempt < 9 { Thread.sleep(forTimeInterval: 1.5) }
                return S3FaultTests.honest(request)
            },
            configure: { configuration in
                configuration.operationTimeoutMilliseconds = 1_200
                configuration.hedges = false
            }
        ) { store, info in
            let start = ContinuousClock.now
            let error = await errorOf { () throws(SQLError) in try await store.read([0..<10], of: info) }
            #expect(error?.state == .ioError && error?.message.contains("s3://bucket/object") == true)
            #expect(error?.detail?.contains("1200 ms") == true, "\(String(describing: error))")
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }

    @Test("a server that throttles gets fewer requests at a time, and all answers come")
    func throttled() async throws {
        let load = Load()
        try await against(
            { request in
                defer { load.leave() }
                if load.enter() > 3 {
                    Thread.sleep(forTimeInterval: 0.01)
                    return .init(status: "503 Slow Down")
                }
                Thread.sleep(forTimeInterval: 0.01)
                return S3FaultTests.honest(request)
            }, configure: { $0.retriesMax = 12 }
        ) { store, info in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        let bytes = try await store.read([0..<100], of: info)
                        #expect(bytes.first?.array == Array(S3FaultTests.content[..<100]))
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func limits() {
        let health = ServerHealth(connectionsMax: 64)
        // Many attempts in vain, then none; success and time bring some back.
        var taken = 0
        while health.mayRetry(1_000_000_000) { taken += 1 }
        #expect(taken == Int(ServerHealth.retriesMax))
        health.succeeded(retries: 3)
        #expect(health.mayRetry(1_000_000_000) && health.mayRetry(1_000_000_000) && health.mayRetry(1_000_000_000))
        #expect(!health.mayRetry(1_000_000_000))
        #expect(health.mayRetry(3_000_000_000))
        // Overload halves what is on the way; answers bring it back.
        #expect(health.connections == 64)
        for second in 1...20 { health.throttled(UInt64(second) * 1_000_000_000) }
        #expect(health.connections == ServerHealth.connectionsMin)
        for _ in 0..<5_000 { health.succeeded(retries: 0) }
        #expect(health.connections == 64)
        // Late is what is late for this server.
        #expect(health.slowMilliseconds == 2_000)
        for number in 0..<2_000 { health.took(milliseconds: Double(number % 100) + 100) }
        #expect((450...700).contains(health.slowMilliseconds), "\(health.slowMilliseconds)")
        var hedges = 0
        while health.mayHedge() { hedges += 1 }
        #expect(hedges == Int(ServerHealth.hedgesMax))
    }
}

/// Requests that are in the server now.
private final class Load: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0
    func enter() -> Int {
        lock.withLock {
            count += 1
            return count
        }
    }
    func leave() { lock.withLock { count -= 1 } }
}
