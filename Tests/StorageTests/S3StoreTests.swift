import Diagnostics
import Foundation
import S3Support
import Testing

@testable import Storage

extension MotoServer {
    /// A store with a bucket of its own.
    func store(bucket: String) -> S3Store {
        makeBucket(bucket)
        return S3Store(
            S3Configuration(
                endpoint: endpoint, accessKey: "key", secretKey: "secret/with+odd", sessionToken: "token"))
    }
}

extension S3Store {
    func makeBucket(_ bucket: String) async throws {
        let path = ObjectPath(scheme: .s3, bucket: bucket, key: "")
        let sender = S3Sender(configuration)
        let operation = S3Operation(verb: "make", path: path, method: .put, isOfBucket: true)
        _ = try await resultOf { done in sender.send(operation, nil, then: done) }.get()
    }
}

@Suite(.enabled(if: MotoServer.shared != nil || ProcessInfo.processInfo.environment["APUS_TEST_S3"] != nil))
struct S3StoreTests {
    @Test(.enabled(if: MotoServer.shared != nil)) func keepsTheSuite() async throws {
        let store = try #require(MotoServer.shared).store(bucket: "suite")
        try await StoreSuite(store: store, root: try ObjectPath("s3://suite/some/root")).runAll()
    }

    @Test(.enabled(if: MotoServer.shared != nil)) func keepsTheSuiteAtTheTopOfABucket() async throws {
        let store = try #require(MotoServer.shared).store(bucket: "top")
        try await StoreSuite(store: store, root: try ObjectPath("s3://top")).lists()
    }

    @Test(.enabled(if: MotoServer.shared != nil)) func listsManyPages() async throws {
        let store = try #require(MotoServer.shared).store(bucket: "pages")
        let root = try ObjectPath("s3://pages/x")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<1100 {
                let path = root.appending("k=\(index % 3)/\(index)")
                group.addTask { try await store.write([Bytes("\(index)")], to: path) }
            }
            try await group.waitForAll()
        }
        let metrics = StoreMetrics()
        #expect(try await store.list(root, metrics: metrics).count == 1100)
        #expect(metrics.counters.lists == 2)
        #expect(try await store.listChildren(root).folders.map(\.name) == ["k=0", "k=1", "k=2"])
    }

    @Test(.enabled(if: MotoServer.shared != nil)) func readsLargeObjectsInParts() async throws {
        let store = try #require(MotoServer.shared).store(bucket: "large")
        let path = try ObjectPath("s3://large/object")
        let content = pattern(20_000_003)
        try await store.write([Bytes(content)], to: path)
        let metrics = StoreMetrics()
        let bytes = try await store.read(1..<20_000_003, of: path, metrics: metrics)
        #expect(bytes.array == Array(content[1...]))
        #expect(metrics.counters.requests == 3)
    }

    @Test(.enabled(if: MotoServer.shared != nil)) func missingBuckets() async throws {
        let store = try #require(MotoServer.shared).store(bucket: "there")
        let error = await errorOf { () throws(SQLError) in try await store.list(try ObjectPath("s3://not-there/x")) }
        #expect(error?.state == .undefinedFile)
        #expect(error?.message.contains("bucket \"not-there\" does not exist") == true)
    }

    /// Any server named by APUS_TEST_S3 (its endpoint) and the AWS_* variables.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["APUS_TEST_S3"] != nil)) func keepsTheSuiteElsewhere()
        async throws
    {
        var configuration = S3Configuration()
        configuration.endpoint = ProcessInfo.processInfo.environment["APUS_TEST_S3"]
        configuration.pathStyle = true
        let store = S3Store(configuration)
        let bucket = "apus-\(UInt32.random(in: 0 ... .max))"
        try await store.makeBucket(bucket)
        let root = ObjectPath(scheme: .s3, bucket: bucket, key: "root=1/a b")
        let isOldCeph = ProcessInfo.processInfo.environment["APUS_TEST_S3_NO_IF_MATCH"] != nil
        try await StoreSuite(store: store, root: root, hasIfMatch: !isOldCeph).runAll()
        try await store.delete(try await store.list(root).map(\.path))
    }
}
