// The lake behind moto's S3 server, where each request is counted.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Hive
import S3Support
import Storage
import Testing

extension MotoServer {
    /// A store with a bucket of its own.
    func store(bucket: String) -> S3Store {
        makeBucket(bucket)
        return S3Store(
            S3Configuration(
                endpoint: endpoint, accessKey: "key", secretKey: "secret/with+odd", sessionToken: "token"))
    }
}

@Suite(.enabled(if: MotoServer.shared != nil))
struct S3LakeTests {
    @Test func prunesBeforeListing() async throws {
        let s3 = try #require(MotoServer.shared).store(bucket: "lake")
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
        let scanned = try await table.rows(
            ["id", "day"],
            where: [
                "year": .equal(.int8(2026)), "month": .equal(.int8(1)), "day": .equal(.int8(7)),
            ])
        let root = "s3://lake/raw/shop/orders"
        #expect(
            store.seen.lists == [
                root, root + "/year=2026", root + "/year=2026/month=01", root + "/year=2026/month=01/day=07",
            ])
        #expect(store.seen.reads == [root + "/year=2026/month=01/day=07/part-0.parquet"])
        #expect(
            scanned.report.requests == 5 + 4 && scanned.metrics[.requests] == 1
                && scanned.metrics[.filesOpened] == 1)
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
