// Exports whose files hold more than fits into memory: they are sent before they end, and their folders get more files.

import Catalogs
import Columns
import Diagnostics
import Foundation
import S3Support
import Storage
import Testing

@testable import Hive

@Suite(.enabled(if: MotoServer.shared != nil))
struct SealingTests {
    private static let rounds = 4

    private func export(_ format: ExportRequest.Format, _ root: String, _ stores: Stores) throws -> FileWriting {
        var request = ExportRequest(
            path: root, format: format, fields: [Field("id", .int8), Field("name", .text), Field("k", .int8)])
        request.keys = [2]
        request.hasHeader = true
        return try FileWriting(request, in: stores, bytesHeldMax: 1)
    }

    private func batch(_ round: Int, _ key: Int) -> Batch {
        Batch(
            [
                Column.constant(.int8(Int64(round)), count: 100), Column.constant(.text("round \(round)"), count: 100),
                Column.constant(.int8(Int64(key)), count: 100),
            ], rows: 100)
    }

    @Test(
        "what is too much for memory goes to the store, unseen, and all of it appears",
        arguments: [
            ExportRequest.Format.parquet, .csv, .json,
        ])
    func seals(_ format: ExportRequest.Format) async throws {
        let moto = try #require(MotoServer.shared)
        moto.makeBucket("sealing")
        let stores = Stores(s3: S3Configuration(endpoint: moto.endpoint, accessKey: "key", secretKey: "secret"))
        let root = "s3://sealing/\(format.rawValue)-\(UUID().uuidString)"
        let writing = try export(format, root, stores)
        try await writing.checkFolder()
        for round in 0..<SealingTests.rounds {
            for key in 0..<3 { try await writing.append(batch(round, key)) }
        }
        let path = try ObjectPath(root)
        #expect(try await stores.list(path).isEmpty)
        try await writing.finish()
        let files = try await stores.list(path).map(\.path.text)
        // Rows of Parquet wait for their row group, so its files end later.
        #expect(files.count >= (format == .parquet ? 3 : 12))
        let function = format == .csv ? "read_csv" : format == .json ? "read_json" : "read_parquet"
        let table = try await HiveFormat(stores: stores).read(
            function, ["\(root)/**/*.\(format.rawValue)"], options: ["hive_partitioning": .boolean(true)])
        let found = try await table.rows(["id", "name", "k"])
        #expect(found.rows.count == SealingTests.rounds * 3 * 100)
        #expect(Set(found.lines).count == SealingTests.rounds * 3)
        let left = try export(format, root + "-left", stores)
        for key in 0..<3 { try await left.append(batch(0, key)) }
        await left.abandon()
        #expect(try await stores.list(try ObjectPath(root + "-left")).isEmpty)
    }
}
