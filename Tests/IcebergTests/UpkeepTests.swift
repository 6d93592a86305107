import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Iceberg

@Suite struct UpkeepTests {
    @Test("small files and deleted rows go, rows stay, writers go on", arguments: ["2", "3"])
    func compaction(version: String) async throws {
        let house = try Warehouse()
        var table = try await house.create(
            WriteTests.columns, partitioning: [PartitionField(column: "d", transform: .identity)],
            properties: ["format-version": version, "write.delete.mode": "merge-on-read"])
        for start in 0..<6 {
            table = try await house.change(table, rows: WriteTests.rows(Int64(start) * 50..<Int64(start + 1) * 50))
        }
        table = try await house.change(table, removing: { $0.hasPrefix("1") })
        let lines = try await house.lines(table)
        let compaction = try #require(try await house.format.compaction(of: table, named: house.name))
        // Five partitions, six files each; ten of them held rows that begin with 1 only, and are gone.
        #expect(compaction.summary.filesBefore == 20 && compaction.summary.filesAfter == 0)
        try await compaction.write()
        // Rows that come meanwhile do not matter.
        let grown = try await house.change(table, rows: [WriteTests.row(1000)])
        let packed = try await compaction.commit(onto: grown)
        #expect(try await house.lines(packed) == (lines + ["1000|\\N|\\N"]).sorted())
        #expect(compaction.summary.filesAfter == 5 && compaction.summary.rows == Int64(lines.count))
        let metadata = try await MetadataFile.read(packed.metadataLocation, in: LocalStore())
        let summary = try #require(metadata.currentSnapshot?.summary)
        #expect(summary["operation"] == "replace" && summary["total-data-files"] == "6")
        #expect(try await house.open(packed).statistics.rows == Double(lines.count + 1))
        // Rows that go meanwhile do.
        let fewer = try await house.change(table, removing: { $0.hasPrefix("20|") })
        let error = await errorOf { try await compaction.commit(onto: fewer) }
        #expect(error?.state == .serializationFailure)
        let again = try await house.format.compaction(
            of: packed, named: house.name, options: CompactionOptions(filesMin: 2))
        #expect(again == nil)
    }

    @Test("old snapshots are forgotten, current ones stay")
    func expiry() async throws {
        let house = try Warehouse()
        var table = try await house.create(WriteTests.columns)
        for id in 0..<5 { table = try await house.change(table, rows: [WriteTests.row(Int64(id))]) }
        let lines = try await house.lines(table)
        let (kept, expired) = try await house.format.expire(
            table, named: house.name, olderThan: 4_000_000_000_000, keeping: 2)
        #expect(expired.count == 3)
        #expect(try await house.lines(kept) == lines)
        let metadata = try await MetadataFile.read(kept.metadataLocation, in: LocalStore())
        #expect(metadata.snapshots.count == 2)
        let none = try await house.format.expire(kept, named: house.name, olderThan: 0)
        #expect(none.expired.isEmpty && none.definition == kept)
    }
}
