// The lake behind moto's S3 server, where each request is counted.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Hive
import Synchronization
import Testing

@testable import Storage

/// moto's S3 on loopback, for as long as this process lives.
private final class MotoServer: Sendable {
    static let shared: MotoServer? = MotoServer()

    let port: Int
    /// The server ends when this pipe closes, even if the tests crash.
    private let lifeline = Pipe()

    private init?() {
        port = Int.random(in: 30_000..<60_000)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c",
            "command -v moto_server >/dev/null && moto_server --help >/dev/null 2>&1 || exit 9; "
                + "moto_server -H 127.0.0.1 -p \(port) >/dev/null 2>&1 & read -r line; kill $!",
        ]
        process.standardInput = lifeline
        guard (try? process.run()) != nil else { return nil }
        for _ in 0..<300 {
            if !process.isRunning { return nil }
            if isListening() { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        return nil
    }

    private func isListening() -> Bool {
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(handle) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(handle, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    func store(bucket: String) async throws -> S3Store {
        let configuration = S3Configuration(
            endpoint: "http://127.0.0.1:\(port)", accessKey: "key", secretKey: "secret")
        let path = ObjectPath(scheme: .s3, bucket: bucket, key: "")
        let sender = S3Sender(configuration)
        let operation = S3Operation(verb: "make", path: path, method: .put, isOfBucket: true)
        _ = try await resultOf { done in sender.send(operation, nil, then: done) }.get()
        return S3Store(configuration)
    }
}

@Suite(.enabled(if: MotoServer.shared != nil))
struct S3LakeTests {
    @Test func prunesBeforeListing() async throws {
        let s3 = try await #require(MotoServer.shared).store(bucket: "lake")
        let local = LocalStore()
        let folder = ObjectPath(file: fixture("lake/shop"))
        for info in try await local.list(folder) {
            let bytes = try await local.readSuffix(Int(info.sizeBytes), of: info.path).bytes
            let key = "raw/shop/" + String(try #require(info.path.relative(to: folder)))
            try await s3.write([bytes], to: ObjectPath(scheme: .s3, bucket: "lake", key: key))
        }
        let store = CountingStore(Stores(local: local, s3: s3))
        let format = HiveFormat(stores: store)
        #expect(try await format.tables(under: "s3://lake/raw/shop/") == ["customers", "orders"])
        store.forget()
        let table = try await format.open("s3://lake/raw/shop/orders/")
        #expect(store.seen.lists.count == 4 && store.seen.reads.count == 1)
        store.forget()
        let scanned = try await table.rows(["id", "day"], where: [
            "year": .equal(.int8(2026)), "month": .equal(.int8(1)), "day": .equal(.int8(7)),
        ])
        let root = "s3://lake/raw/shop/orders"
        #expect(store.seen.lists == [
            root, root + "/year=2026", root + "/year=2026/month=01", root + "/year=2026/month=01/day=07",
        ])
        #expect(store.seen.reads == [root + "/year=2026/month=01/day=07/part-0.parquet"])
        #expect(scanned.metrics[.requests] == 1 && scanned.metrics[.filesOpened] == 1)
        let there = try await HiveFormat(stores: local).open(folder.text + "/orders")
        #expect(try await there.rows(["id", "day"]).lines == table.rows(["id", "day"]).lines)
        store.forget()
        // Opened again at once: the layout is still known.
        _ = try await format.open("s3://lake/raw/shop/orders/")
        #expect(store.seen.lists.isEmpty && store.seen.reads.isEmpty)
        let file = root + "/year=2026/month=01/day=07/part-0.parquet"
        let read = try await format.readParquet([file], options: ["hive_partitioning": .boolean(true)])
        #expect(try await read.rows(["id", "day"]).lines == scanned.lines)
        let globbed = try await format.readParquet([root + "/*/*/day=07/*.parquet"], options: [:])
        store.forget()
        #expect(try await globbed.rows(["id", "day"], where: ["year": .equal(.int8(2026))]).lines == scanned.lines)
        #expect(store.seen.reads.isEmpty)
    }
}
