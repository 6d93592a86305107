import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Iceberg

/// Tables that are made, filled, changed and altered.
@Suite struct WriteTests {
    static let columns = [Field("id", .int8, isNullable: false), Field("name", .text), Field("d", .date)]
    static func row(_ id: Int64, _ name: String? = nil, _ day: Int64? = nil) -> [Scalar] {
        [.int8(id), name.map { .text($0) } ?? .null(.text), day.map { Scalar(.date, .int($0)) } ?? .null(.date)]
    }
    static func rows(_ ids: Range<Int64>) -> [[Scalar]] { ids.map { row($0, "n\($0)", $0 % 5 - 2) } }

    @Test("what is appended is read, with exact counts and bounds", arguments: ["2", "3"])
    func append(version: String) async throws {
        let house = try Warehouse()
        let empty = try await house.create(Self.columns, properties: ["format-version": version])
        #expect(
            empty.snapshotID == nil
                && empty.metadataLocation.contains("/s/t-\(empty.identity.prefix(8))/metadata/00000-"))
        #expect(try await house.lines(empty) == [])
        let one = try await house.change(empty, rows: Self.rows(0..<3000))
        let two = try await house.change(one, rows: [Self.row(5000)])
        #expect(try await house.lines(one).count == 3000)
        #expect(try await house.lines(two).count == 3001)
        #expect(two.metadataLocation.contains("/00002-"))
        let statistics = try await house.open(two).statistics
        #expect(statistics.isExact && statistics.rows == 3001)
        #expect(statistics.columns[0]?.max == .int8(5000) && statistics.columns[0]?.min == .int8(0))
        #expect(statistics.columns[1]?.nullCount == 1)
        let metadata = try await MetadataFile.read(two.metadataLocation, in: LocalStore())
        let summary = try #require(metadata.currentSnapshot).summary
        #expect(
            summary["operation"] == "append" && summary["total-records"] == "3001" && summary["added-records"] == "1")
        #expect(metadata.nextRowID == (version == "3" ? 3001 : 0))
        let error = await errorOf { try await house.change(two, rows: [[.null(.int8), .null(.text), .null(.date)]]) }
        #expect(error?.state == .notNullViolation)
    }

    @Test("rows go by position deletes, vectors, new files, or whole files", arguments: ["2", "3"])
    func remove(version: String) async throws {
        let house = try Warehouse()
        var table = try await house.create(Self.columns, properties: ["format-version": version])
        table = try await house.change(table, rows: Self.rows(0..<1000))
        table = try await house.change(table, rows: Self.rows(1000..<1100))
        // A few: beside the file.
        table = try await house.change(table, removing: { $0.hasPrefix("7|") || $0.hasPrefix("8|") })
        #expect(try await house.lines(table).count == 1098)
        table = try await house.change(table, rows: [Self.row(7, "again")], removing: { $0.hasPrefix("9|") })
        #expect(try await house.lines(table).count == 1098)
        // Most of a file, then the rest of it.
        table = try await house.change(
            table,
            removing: { ($0.split(separator: "|").first.flatMap { Int($0) } ?? 0) < 900 && !$0.contains("again") })
        #expect(try await house.lines(table).count == 201)
        table = try await house.change(
            table, removing: { ($0.split(separator: "|").first.flatMap { Int($0) } ?? 0) >= 1000 })
        var lines = try await house.lines(table)
        #expect(lines.count == 101 && lines.contains("7|again|\\N"))
        let metadata = try await MetadataFile.read(table.metadataLocation, in: LocalStore())
        #expect(metadata.currentSnapshot?.summary["operation"] == "delete")
        #expect(metadata.currentSnapshot?.summary["deleted-data-files"] == "1")
        // An update of what is left, then everything goes.
        table = try await house.change(table, rows: [Self.row(7, "new")], removing: { $0.contains("again") })
        lines = try await house.lines(table)
        #expect(lines.count == 101 && lines.contains("7|new|\\N"))
        let replaced = try await house.change(table, .replaceAll, rows: [Self.row(1)])
        #expect(try await house.lines(replaced) == ["1|\\N|\\N"])
        #expect(try await house.lines(table).count == 101)
        let truncated = try await house.change(replaced, .replaceAll)
        #expect(try await house.lines(truncated) == [])
        let total = try await MetadataFile.read(truncated.metadataLocation, in: LocalStore()).currentSnapshot?.summary[
            "total-records"]
        #expect(total == "0")
    }

    @Test("rows go to their partitions, whatever the transform")
    func partitions() async throws {
        let columns = [
            Field("id", .int8), Field("s", .text), Field("ts", .timestamp), Field("d", .date),
            Field("a", .decimal(precision: 12, scale: 2)), Field("u", .uuid), Field("b", .bytea),
        ]
        let partitionings: [[PartitionField]] = [
            [PartitionField(column: "s", transform: .identity)],
            [PartitionField(column: "id", transform: .bucket(4)), PartitionField(column: "s", transform: .bucket(3))],
            [PartitionField(column: "ts", transform: .day), PartitionField(column: "d", transform: .month)],
            [PartitionField(column: "ts", transform: .hour)], [PartitionField(column: "d", transform: .year)],
            [
                PartitionField(column: "a", transform: .truncate(500)),
                PartitionField(column: "id", transform: .truncate(10)),
            ],
            [PartitionField(column: "u", transform: .bucket(2)), PartitionField(column: "a", transform: .bucket(2))],
            [
                PartitionField(column: "b", transform: .truncate(1)),
                PartitionField(column: "s", transform: .truncate(1)),
            ],
            [PartitionField(column: "a", transform: .identity), PartitionField(column: "u", transform: .identity)],
        ]
        let rows: [[Scalar]] = (0..<200).map { index in
            let n = Int64(index)
            if n % 13 == 0 { return columns.map { .null($0.type) } }
            return [
                .int8(n - 50), .text(["eu/west", "us east", "ap=1", ""][index % 4]),
                Scalar(.timestamp, .int((n - 60) * 3_700_000_000)), Scalar(.date, .int(n * 40 - 1000)),
                Scalar(columns[4].type, .int128(Int128(n * 77 - 3000))),
                Scalar(.uuid, .int128(Int128(n % 3))), Scalar(.bytea, .bytes([UInt8(n % 3), 255])),
            ]
        }
        for partitioning in partitionings {
            let house = try Warehouse()
            let table = try await house.create(columns, partitioning: partitioning)
            let made = try await house.change(table, rows: rows)
            let all = try await house.lines(made)
            #expect(all == rows.map { $0.map(Lake.text).joined(separator: "|") }.sorted())
            let opened = try await house.open(made)
            for field in partitioning {
                let place = try #require(opened.schema.index(of: field.column))
                for index in [1, 14, 60, 199] {
                    let value = rows[index][place]
                    let found = try await opened.lines([place], where: [place: .equal(value)])
                    let wanted = rows.filter { Scalar.compare($0[place], value) == 0 }.count
                    #expect(found.lines.filter { $0 == Lake.text(value) }.count == wanted, "\(field)")
                    #expect(found.report.filesPrunedByPartition > 0, "\(field)")
                }
            }
            // Removal inside partitions.
            let fewer = try await house.change(made, removing: { $0.hasPrefix("1") })
            #expect(try await house.lines(fewer) == all.filter { !$0.hasPrefix("1") })
        }
    }

    @Test("columns come, go, change their names and get wider; the partitioning changes")
    func evolution() async throws {
        let house = try Warehouse()
        var table = try await house.create([
            Field("a", .int4), Field("b", .varchar(5)), Field("c", .decimal(precision: 5, scale: 2)),
            Field("f", .float4),
        ])
        #expect(try await house.open(table).schema.fields[1].type == .varchar(5))
        table = try await house.change(
            table,
            rows: [
                [
                    .int4(1), Scalar(.varchar(5), .string("x")), Scalar(.decimal(precision: 5, scale: 2), .int128(150)),
                    Scalar(.float4, .double(0.5)),
                ]
            ])
        let old = table
        table = try await house.format.alter(
            table, named: house.name,
            [
                .renameColumn(from: "b", to: "bb"), .setType("a", .int8),
                .setType("c", .decimal(precision: 20, scale: 2)),
                .setType("f", .float8), .addColumn(Field("n", .text)), .setProperty("owner", "me"),
                .setPartitioning([PartitionField(column: "a", transform: .bucket(2))]),
            ])
        #expect(table.snapshotID == old.snapshotID && table.metadataLocation != old.metadataLocation)
        let opened = try await house.open(table)
        #expect(opened.schema.fields.map(\.name) == ["a", "bb", "c", "f", "n"])
        #expect(
            opened.schema.fields.map(\.type) == [.int8, .varchar(5), .decimal(precision: 20, scale: 2), .float8, .text])
        #expect(opened.properties["owner"] == "me")
        table = try await house.change(
            table,
            rows: [
                [
                    .int8(1 << 40), .null(.varchar(5)), .null(.decimal(precision: 20, scale: 2)), .null(.float8),
                    .text("new"),
                ]
            ])
        #expect(try await house.lines(table) == ["1099511627776|\\N|\\N|\\N|new", "1|x|1.50|0.5|\\N"])
        #expect(try await house.lines(old) == ["1|x|1.50|0.5"])
        table = try await house.format.alter(
            table, named: house.name, [.dropColumn("bb"), .addColumn(Field("bb", .int4))])
        #expect(try await house.lines(table) == ["1099511627776|\\N|\\N|new|\\N", "1|1.50|0.5|\\N|\\N"])
        for (change, state) in [
            (TableAlteration.dropColumn("a"), "2BP01"), (.setType("n", .int4), "0A000"), (.dropColumn("zz"), "42703"),
            (.renameColumn(from: "a", to: "n"), "42701"), (.addColumn(Field("a", .int4)), "42701"),
            (.addColumn(Field("r", .int4, isNullable: false)), "23502"),
        ] {
            let error = await errorOf { try await house.format.alter(table, named: house.name, [change]) }
            #expect(error?.state.code == state, "\(change)")
        }
    }

    @Test("a write is replayed on a later state; true conflicts are 40001")
    func replay() async throws {
        let house = try Warehouse()
        var table = try await house.create(Self.columns)
        table = try await house.change(table, rows: Self.rows(0..<100))
        let insert = try await house.write(table, rows: [Self.row(500)])
        let delete = try await house.write(table, removing: { $0.hasPrefix("5|") })
        let same = try await house.write(table, rows: [Self.row(5, "mine")], removing: { $0.hasPrefix("5|") })
        let truncate = try await house.write(table, .replaceAll)
        _ = try await insert.commit(onto: table)
        let later = try await house.change(table, rows: [Self.row(600)], removing: { $0.hasPrefix("6|") })
        var now = try await insert.commit(onto: later)
        #expect(try await house.lines(now).count == 101)
        now = try await delete.commit(onto: now)
        #expect(try await house.lines(now).count == 100)
        for write in [same, truncate] {
            let error = await errorOf { try await write.commit(onto: now) }
            #expect(error?.state == .serializationFailure)
            await write.abandon()
        }
        let altered = try await house.format.alter(
            now, named: house.name, [.addColumn(Field("x", .int4)), .renameColumn(from: "name", to: "label")])
        let before = try await house.write(now, rows: [Self.row(700, "seven")])
        let after = try await before.commit(onto: altered)
        #expect(try await house.lines(after).contains("700|seven|\\N|\\N"))
        #expect(try await house.lines(now).count == 100)
    }

    @Test("abandoned writes leave no file")
    func abandon() async throws {
        let house = try Warehouse()
        let table = try await house.change(try await house.create(Self.columns), rows: Self.rows(0..<10))
        let files = Set(house.files)
        for isCommitted in [false, true] {
            let write = try await house.write(table, rows: Self.rows(10..<20), removing: { $0.hasPrefix("1|") })
            if isCommitted { _ = try await write.commit(onto: table) }
            #expect(Set(house.files) != files)
            await write.abandon()
            #expect(Set(house.files) == files)
        }
    }

    @Test("three-way merges replay rows, and refuse what both sides changed", arguments: ["2", "3"])
    func merge(version: String) async throws {
        let house = try Warehouse()
        var base = try await house.create(Self.columns, properties: ["format-version": version])
        base = try await house.change(base, rows: Self.rows(0..<100))
        base = try await house.change(base, rows: Self.rows(100..<200))
        func merge(_ source: ManagedDefinition, _ target: ManagedDefinition) async throws -> [String] {
            try await house.lines(house.format.merge(base: base, source: source, target: target, named: house.name))
        }
        let ours = try await house.change(base, rows: [Self.row(300)], removing: { $0.hasPrefix("150|") })
        var theirs = try await house.change(base, rows: [Self.row(400)], removing: { $0.hasPrefix("50|") })
        theirs = try await house.change(theirs, removing: { $0.hasPrefix("400|") || $0.hasPrefix("51|") })
        let wanted =
            try await house.lines(base).filter { !["150|", "50|", "51|"].contains(where: $0.hasPrefix) } + [
                "300|\\N|\\N"
            ]
        #expect(try await merge(theirs, ours) == wanted.sorted())
        #expect(try await merge(ours, theirs) == wanted.sorted())
        #expect(try await merge(base, ours) == (try await house.lines(ours)))
        #expect(try await merge(ours, base) == (try await house.lines(ours)))
        // Other rows of one file.
        let near = try await house.change(base, removing: { $0.hasPrefix("151|") })
        #expect(try await merge(near, ours).count == 199)
        // The same row, a file that is gone, all rows.
        let same = try await house.change(base, rows: [Self.row(150, "x")], removing: { $0.hasPrefix("150|") })
        let gone = try await house.change(
            base, removing: { ($0.split(separator: "|").first.flatMap { Int($0) } ?? 0) >= 100 })
        let all = try await house.change(base, .replaceAll, rows: [Self.row(1)])
        for (source, target) in [(same, ours), (ours, same), (gone, ours), (ours, gone), (all, ours), (ours, all)] {
            let error = await errorOf { try await merge(source, target) }
            #expect(error?.state == .serializationFailure)
        }
        // Columns of one side, rows of both.
        let wide = try await house.format.alter(ours, named: house.name, [.addColumn(Field("w", .int4))])
        #expect(try await merge(wide, theirs).contains("300|\\N|\\N|\\N"))
        #expect(try await merge(theirs, wide).contains("300|\\N|\\N|\\N"))
        let other = try await house.format.alter(theirs, named: house.name, [.addColumn(Field("v", .int4))])
        #expect(await errorOf { try await merge(wide, other) }?.state == .serializationFailure)
    }

    @Test("many small commits are put together")
    func manifests() async throws {
        let house = try Warehouse()
        var table = try await house.create(Self.columns, properties: ["commit.manifest.min-count-to-merge": "5"])
        for id in 0..<23 { table = try await house.change(table, rows: [Self.row(Int64(id))]) }
        table = try await house.change(table, removing: { $0.hasPrefix("3|") })
        #expect(try await house.lines(table).count == 22)
        let metadata = try await MetadataFile.read(table.metadataLocation, in: LocalStore())
        let snapshot = try #require(metadata.currentSnapshot)
        let list = try await ManifestList.read(snapshot, of: metadata, in: LocalStore())
        #expect(list.count < 8)
    }
}
