import Diagnostics
import Foundation
import Testing

@testable import Storage

/// A server that misbehaves must cost time at most, never give a wrong byte.
struct S3FaultTests {
    static let content = pattern(10_000)

    /// Runs `body` on a store whose server answers by `reply`.
    private func against(
        _ reply: @escaping @Sendable (FaultyServer.Request) -> FaultyServer.Reply, retriesMax: Int = 2,
        anonymous: Bool = false, _ body: (S3Store, ObjectPath) async throws -> Void
    ) async throws {
        let server = FaultyServer(reply)
        defer { server.stop() }
        let store = S3Store(
            S3Configuration(
                endpoint: "http://127.0.0.1:\(server.port)", accessKey: "the-access-key", secretKey: "the-secret-key",
                anonymous: anonymous, connectionsMax: 4, stallTimeoutSeconds: 2, retriesMax: retriesMax))
        try await body(store, try ObjectPath("s3://bucket/object"))
    }

    /// The answer of an honest server.
    static func honest(_ request: FaultyServer.Request) -> FaultyServer.Reply {
        var reply = FaultyServer.Reply()
        reply.headers = ["ETag: \"e\"", "Last-Modified: Mon, 12 Oct 2009 17:50:30 GMT"]
        guard let range = request.range(content.count) else {
            reply.body = content
            return reply
        }
        reply.status = "206 Partial Content"
        reply.headers.append("Content-Range: bytes \(range.lowerBound)-\(range.upperBound - 1)/\(content.count)")
        reply.body = Array(content[range])
        return reply
    }

    private func readsRight(_ store: S3Store, _ path: ObjectPath, retries: Int64?) async throws {
        let metrics = StoreMetrics()
        let bytes = try await store.read(100..<1100, of: path, metrics: metrics)
        #expect(bytes.array == Array(Self.content[100..<1100]))
        let (suffix, info) = try await store.readSuffix(500, of: path, metrics: metrics)
        #expect(suffix.array == Array(Self.content.suffix(500)))
        #expect(info.sizeBytes == 10_000)
        if let retries { #expect(metrics.counters.retries == retries) }
        #expect(metrics.counters.bytesRead == 1500)
    }

    @Test func honestServer() async throws {
        try await against({ Self.honest($0) }) { try await readsRight($0, $1, retries: 0) }
    }

    @Test(arguments: ["503 Slow Down", "500 Internal Server Error", "429 Too Many Requests", "504 Gateway Timeout"])
    func passingErrors(_ status: String) async throws {
        try await against({ request in
            if request.attempt % 3 != 2 {
                return .init(status: status, body: Array("<Error><Code>SlowDown</Code></Error>".utf8))
            }
            return Self.honest(request)
        }) { store, path in
            try await readsRight(store, path, retries: 4)
        }
    }

    @Test func lastingErrors() async throws {
        try await against({ _ in
            .init(
                status: "503 Slow Down",
                body: Array("<Error><Code>SlowDown</Code><Message>key the-secret-key</Message></Error>".utf8))
        }) { store, path in
            let metrics = StoreMetrics()
            let error = await errorOf { () throws(SQLError) in try await store.read(0..<1, of: path, metrics: metrics) }
            #expect(error?.state == .ioError)
            #expect(error?.message.contains("503 SlowDown") == true)
            #expect(error?.message.contains("secret") == false)
            #expect(error?.detail == "Tried 3 times.")
            #expect(metrics.counters.requests == 3 && metrics.counters.retries == 2)
        }
    }

    @Test func cutBodies() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            if request.attempt % 2 == 0 {
                reply.claimedLength = reply.body.count
                reply.body = Array(reply.body.dropLast(7))
            }
            return reply
        }) { store, path in
            try await readsRight(store, path, retries: 2)
        }
    }

    @Test func shortBodiesThatClaimToBeWhole() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            if request.attempt % 2 == 0 { reply.body = Array(reply.body.dropLast(7)) }
            return reply
        }) { store, path in
            try await readsRight(store, path, retries: 2)
        }
    }

    @Test func droppedConnections() async throws {
        try await against(
            { request in
                request.attempt % 3 != 2 ? .init(hangsUp: true) : Self.honest(request)
            }, retriesMax: 4
        ) { store, path in
            try await readsRight(store, path, retries: nil)
        }
    }

    @Test func wholeBodyInsteadOfRange() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            reply.status = "200 OK"
            reply.headers = []
            reply.body = Self.content
            return reply
        }) { store, path in
            try await readsRight(store, path, retries: 0)
            let beyond = await errorOf { () throws(SQLError) in try await store.read(9_999..<10_001, of: path) }
            #expect(beyond?.state == .ioError)
        }
    }

    @Test func rangeWithStatus200() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            reply.status = "200 OK"
            return reply
        }) { store, path in
            try await readsRight(store, path, retries: 0)
        }
    }

    @Test func wrongContentRange() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            reply.headers = ["Content-Range: bytes 0-999/10000"]
            return reply
        }) { store, path in
            let read = await errorOf { () throws(SQLError) in try await store.read(100..<1100, of: path) }
            #expect(read?.state == .ioError)
            let suffix = await errorOf { () throws(SQLError) in try await store.readSuffix(500, of: path) }
            #expect(suffix?.state == .ioError)
        }
    }

    @Test func missingContentRange() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            reply.headers = []
            return reply
        }) { store, path in
            let read = await errorOf { () throws(SQLError) in try await store.read(100..<1100, of: path) }
            #expect(read?.state == .ioError)
        }
    }

    @Test func wholeBodyShorterThanRange() async throws {
        try await against({ _ in .init(body: Array(Self.content[..<1000])) }) { store, path in
            let read = await errorOf { () throws(SQLError) in try await store.read(100..<1100, of: path) }
            #expect(read?.state == .ioError)
        }
    }

    @Test func forbidden() async throws {
        try await against({ _ in
            .init(
                status: "403 Forbidden",
                body: Array("<Error><Code>AccessDenied</Code><Message>no, the-access-key</Message></Error>".utf8))
        }) { store, path in
            let error = await errorOf { () throws(SQLError) in try await store.read(0..<1, of: path) }
            #expect(error?.state == .insufficientPrivilege)
            #expect(error?.message == "permission denied for \"s3://bucket/object\": AccessDenied")
            #expect(error?.detail == "the server answered 403 AccessDenied: no, ***.")
        }
    }

    @Test func missingBucket() async throws {
        try await against({ _ in
            .init(status: "404 Not Found", body: Array("<Error><Code>NoSuchBucket</Code></Error>".utf8))
        }) { store, path in
            let error = await errorOf { () throws(SQLError) in try await store.list(path) }
            #expect(error?.state == .undefinedFile)
            #expect(error?.message.hasSuffix("bucket \"bucket\" does not exist") == true)
        }
    }

    @Test func nobodyThere() async throws {
        // Port 1 belongs to a service nobody runs.
        let store = S3Store(
            S3Configuration(
                endpoint: "http://127.0.0.1:1", accessKey: "a", secretKey: "b", retriesMax: 1))
        let error = await errorOf { () throws(SQLError) in try await store.read(0..<1, of: try ObjectPath("s3://b/k")) }
        #expect(error?.state == .ioError)
    }

    @Test func listingsThatAreNone() async throws {
        try await against({ _ in .init(body: Array("<html>hello</html>".utf8)) }) { store, path in
            let error = await errorOf { () throws(SQLError) in try await store.list(path) }
            #expect(error?.state == .ioError)
        }
        try await against({ _ in
            .init(body: Array("<ListBucketResult><Contents><Key>k</ListBucketResult>".utf8))
        }) { store, path in
            let error = await errorOf { () throws(SQLError) in try await store.list(path) }
            #expect(error?.state == .ioError)
        }
    }

    @Test func listingsThatNeverEnd() async throws {
        try await against({ _ in
            .init(
                body: Array(
                    """
                    <ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>
                    </ListBucketResult>
                    """.utf8))
        }) { store, path in
            let error = await errorOf { () throws(SQLError) in try await store.list(path) }
            #expect(error?.message.hasSuffix("the server does not go on") == true)
        }
    }

    @Test func objectReplacedWhileRead() async throws {
        try await against({ request in
            var reply = Self.honest(request)
            reply.headers[0] = "ETag: \"\(request.attempt)\""
            return reply
        }) { store, path in
            let error = await errorOf { () throws(SQLError) in try await store.read([0..<10, 20..<30], of: path) }
            #expect(error?.message.contains("was replaced") == true)
        }
    }

    /// Requests of a fetch that was given up are not sent.
    @Test func abandonedFetches() async throws {
        try await against({ request in
            Thread.sleep(forTimeInterval: 0.05)
            return Self.honest(request)
        }) { store, path in
            let metrics = StoreMetrics()
            let policy = FetchPolicy(gapBytesMax: 0, requestBytesMax: 1, isEager: true)
            let ranges = (0..<2000).map { Int64($0) * 4..<Int64($0) * 4 + 1 }
            let info = try await store.head(path)
            let fetch = RangeFetch(store, of: info, ranges: ranges, policy: policy, metrics: metrics)
            fetch.start()
            let waiting = Task { await onThread { try fetch.bytes(for: ranges[1999]).offset } }
            try await Task.sleep(for: .milliseconds(100))
            let start = Date()
            fetch.cancel()
            let waited = await waiting.value
            #expect { try waited.get() } throws: { ($0 as? SQLError)?.state == .queryCanceled }
            // The connections are free again at once.
            _ = try await store.read(0..<10, of: path)
            #expect(Date().timeIntervalSince(start) < 5)
            #expect(metrics.counters.bytesRead < 200)
        }
    }

    /// The first PUT arrives but its answer is lost; the second finds the object there.
    @Test func conditionalWriteWithLostAnswer() async throws {
        for isOurs in [true, false] {
            let mark = Marks()
            try await against({ request in
                switch (request.method, request.attempt) {
                case ("PUT", 0):
                    mark.set(request.headers["x-amz-meta-apus-write"] ?? "")
                    return .init(hangsUp: true)
                case ("PUT", _): return .init(status: "412 Precondition Failed")
                default:
                    return .init(headers: ["ETag: \"e\"", "x-amz-meta-apus-write: \(isOurs ? mark.get() : "other")"])
                }
            }) { store, path in
                let error = await errorOf { () throws(SQLError) in try await store.write([], to: path, if: .ifAbsent) }
                #expect(isOurs ? error == nil : error?.state == .duplicateFile)
            }
        }
    }
}

private final class Marks: @unchecked Sendable {
    private let lock = NSLock()
    private var text = ""
    func set(_ new: String) { lock.withLock { text = new } }
    func get() -> String { lock.withLock { text } }
}
