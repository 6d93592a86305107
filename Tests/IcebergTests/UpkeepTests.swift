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
        let options = CompactionOptions()
        let found = try await house.format.compactions(of: table, named: house.name, options: options)
        let compaction = try #require(found.count == 1 ? found.first : nil)
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
        let again = try await house.format.compactions(of: packed, named: house.name, options: options)
        #expect(again.isEmpty)
        // What was abandoned cannot be committed: the old files would go, and no new ones come.
        await compaction.abandon()
        #expect(await errorOf { try await compaction.commit(onto: table) }?.state == .internalError)
        let narrow = CompactionOptions(domains: [2: .equal(Scalar(.date, .int(-2)))])
        let part = try await house.format.compactions(of: table, named: house.name, options: narrow)
        #expect(part.reduce(0) { $0 + $1.summary.filesBefore } == 4)
    }

    @Test("files that are put together are in the table's sort order")
    func sorting() async throws {
        let house = try Warehouse()
        var table = try await house.format.create(
            NewTable(
                name: house.name, columns: WriteTests.columns,
                sortOrder: [
                    TableSortKey(column: "d", isDescending: true, nullsFirst: true),
                    TableSortKey(column: "name", isDescending: false, nullsFirst: false),
                ]))
        for start in 0..<4 {
            let rows = WriteTests.rows(Int64(start) * 30..<Int64(start) * 30 + 30)
            table = try await house.change(table, rows: rows.reversed() + [WriteTests.row(Int64(1000 + start))])
        }
        let lines = try await house.lines(table)
        let found = try await house.format.compactions(of: table, named: house.name, options: CompactionOptions())
        let compaction = try #require(found.first)
        try await compaction.write()
        let packed = try await compaction.commit(onto: table)
        #expect(try await house.lines(packed) == lines)
        let plan = try await house.open(packed).scan(ScanRequest(columns: [2, 1]))
        let rows = try await onThread { () throws(SQLError) -> [(day: Int64, name: String)] in
            var rows: [(day: Int64, name: String)] = []
            for task in plan.tasks {
                let source = try task.open(ScanContext())
                while let batch = try source.next() {
                    for row in 0..<batch.rows {
                        let day = batch.columns[0].scalar(row)
                        var number = Int64.max
                        if case .int(let value) = day.value { number = value }
                        rows.append((number, Lake.text(batch.columns[1].scalar(row))))
                    }
                }
            }
            return rows
        }
        #expect(rows.count == 124)
        for (a, b) in zip(rows, rows.dropFirst()) { #expect(a.day > b.day || a.day == b.day && a.name <= b.name) }
    }

    @Test("old snapshots are forgotten, current ones stay")
    func expiry() async throws {
        let house = try Warehouse()
        var table = try await house.create(WriteTests.columns)
        for id in 0..<5 { table = try await house.change(table, rows: [WriteTests.row(Int64(id))]) }
        let lines = try await house.lines(table)
        let all = SnapshotExpiry(olderThan: 4_000_000_000_000, keeping: 2)
        let expired = try await house.format.expired(of: table, all)
        let kept = try await house.format.alter(table, named: house.name, [.expireSnapshots(all)])
        #expect(expired.count == 3)
        #expect(try await house.lines(kept) == lines)
        let metadata = try await MetadataFile.read(kept.metadataLocation, in: LocalStore())
        #expect(metadata.snapshots.count == 2)
        let none = SnapshotExpiry(olderThan: 0)
        #expect(try await house.format.expired(of: kept, none).isEmpty)
        #expect(try await house.format.alter(kept, named: house.name, [.expireSnapshots(none)]) == kept)
    }

    @Test("files that nothing leads to are found and removed, and no others")
    func garbage() async throws {
        let house = try Warehouse()
        let properties = ["format-version": "2", "write.delete.mode": "merge-on-read"]
        var table = try await house.create(WriteTests.columns, properties: properties)
        for id in 0..<4 {
            table = try await house.change(table, rows: WriteTests.rows(Int64(id) * 10..<Int64(id) * 10 + 10))
        }
        let old = table
        table = try await house.change(table, removing: { $0.hasPrefix("1") })
        let dropped = try await house.change(
            try await house.create(WriteTests.columns), rows: WriteTests.rows(0..<10))
        // A write that never came to its commit, and files of others.
        _ = try await house.write(table, rows: WriteTests.rows(100..<110))
        for name in ["s/other/data/x.parquet", "note.parquet", "s/t-01234567/readme.txt"] {
            let path = house.scratch.path + "/" + name
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try Data("x".utf8).write(to: URL(fileURLWithPath: path))
        }
        let before = Set(house.files)
        func collect(_ kept: [ManagedDefinition], olderThan: Int64 = .max) async throws -> [LostFile] {
            let garbage = try #require(house.format.garbageCollection())
            for definition in kept { try await garbage.mark(definition) }
            return try await garbage.unmarked(olderThan: olderThan)
        }
        #expect(try await collect([old, table, dropped], olderThan: 0).isEmpty)
        // Older metadata files, whose definitions nobody keeps, and the file of the lost write.
        let lost = try await collect([old, table, dropped])
        #expect(lost.filter { $0.path.hasSuffix(".parquet") }.count == 1)
        #expect(lost.allSatisfy { !$0.path.hasSuffix(".avro") && $0.sizeBytes > 0 && $0.modified > 0 })
        let more = try await collect([old, table])
        #expect(more.count > lost.count + 3)
        let garbage = try #require(house.format.garbageCollection())
        try await garbage.remove(more)
        #expect(before.subtracting(house.files).count == more.count)
        let fresh = IcebergFormat(stores: LocalStore(), warehouse: house.scratch.path)
        for (definition, count) in [(old, 40), (table, 29)] {
            let open = try await fresh.open(definition, named: house.name)
            #expect(try await open.lines([0, 1, 2]).lines.count == count)
        }
        #expect(try await collect([old, table]).isEmpty)
        for name in ["s/other/data/x.parquet", "note.parquet", "s/t-01234567/readme.txt"] {
            #expect(house.files.contains(name))
        }
    }
}
