import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Storage
import Testing

@testable import Iceberg

@Suite struct MetadataTests {
    @Test("blocks survive packing, and unpacking has a bound")
    func compression() throws {
        let plain = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        for codec in [Compression.deflate, .gzip, .zstd] {
            let packed = try codec.pack(plain)
            #expect(packed.count < plain.count / 4)
            #expect(packed.withUnsafeBytes { codec.unpack($0, bytesMax: plain.count) } == plain)
            #expect(packed.withUnsafeBytes { codec.unpack($0, bytesMax: plain.count - 1) } == nil)
            #expect(packed.dropLast(3).withUnsafeBytes { codec.unpack($0, bytesMax: plain.count) } == nil)
        }
    }

    @Test("metadata can be gzipped, and a folder leads to its newest metadata")
    func gzip() async throws {
        let house = try Warehouse()
        var table = try await house.create(
            WriteTests.columns, properties: ["write.metadata.compression-codec": "gzip"])
        table = try await house.change(table, rows: WriteTests.rows(0..<7))
        #expect(table.metadataLocation.hasSuffix(".gz.metadata.json"))
        let fresh = IcebergFormat(stores: LocalStore(), warehouse: "")
        let folder = table.metadataLocation.components(separatedBy: "/metadata/")[0]
        #expect(try await fresh.open(metadataLocation: folder).lines([0]).lines.count == 7)
    }

    @Test("what is not understood survives changes; defaults fill what files lack")
    func survival() async throws {
        let house = try Warehouse()
        var table = try await house.create(WriteTests.columns, properties: ["format-version": "3"])
        table = try await house.change(table, rows: WriteTests.rows(0..<3))
        let metadata = try await MetadataFile.read(table.metadataLocation, in: LocalStore())
        var raw = metadata.raw
        raw["of-the-future"] = .object(["a": .array([.number("1.50")])])
        var schemas = try #require(raw["schemas"]?.asArray)
        var schema = try #require(schemas[0].asObject)
        var fields = try #require(schema["fields"]?.asArray)
        func field(_ id: Int, _ name: String, _ type: String, _ value: JSON) -> JSON {
            .object([
                "id": .int(id), "name": .string(name), "required": .bool(false), "type": .string(type),
                "initial-default": value, "odd": .bool(true),
            ])
        }
        fields += [
            field(4, "n", "int", .int(42)), field(5, "w", "date", .string("2024-02-29")),
            field(6, "t", "timestamptz", .string("2024-02-29T12:00:00.5+00:00")),
            field(7, "c", "decimal(9,2)", .string("14.20")), field(8, "b", "binary", .string("00ff")),
        ]
        schema["fields"] = .array(fields)
        schemas[0] = .object(schema)
        raw["schemas"] = .array(schemas)
        raw["last-column-id"] = .int(8)
        let edited = try await MetadataFile.write(raw, after: metadata, in: LocalStore())
        table.metadataLocation = edited.file
        let lines = try await house.lines(table)
        #expect(lines.first?.hasSuffix("|42|2024-02-29|2024-02-29 12:00:00.5+00|14.20|\\x00\\xFF") == true)
        table = try await house.format.alter(table, named: house.name, [.renameColumn(from: "n", to: "m")])
        table = try await house.change(table, removing: { $0.hasPrefix("1|") })
        let after = try await MetadataFile.read(table.metadataLocation, in: LocalStore())
        #expect(after.raw["of-the-future"] == raw["of-the-future"])
        #expect(JSON.object(after.raw).text.components(separatedBy: "\"odd\":true").count > 5)
        #expect(after.currentSchema.field(4)?.name == "m" && after.currentSchema.field(4)?.initialDefault == .int(42))
        #expect(try await house.lines(table).count == 2)
        #expect((after.raw["metadata-log"]?.asArray?.count ?? 0) == 4)
    }

    @Test("older states stay readable, by snapshot and by time")
    func timeTravel() async throws {
        let house = try Warehouse()
        let empty = try await house.create(WriteTests.columns)
        let one = try await house.change(empty, rows: WriteTests.rows(0..<3))
        let two = try await house.change(one, rows: WriteTests.rows(3..<9))
        let path = two.metadataLocation
        let first = try #require(one.snapshotID)
        #expect(try await house.format.open(metadataLocation: path, at: .snapshot(first)).lines([0]).lines.count == 3)
        #expect(
            try await house.format.open(metadataLocation: path, at: .time(4_000_000_000_000)).lines([0]).lines.count
                == 9)
        #expect(await errorOf { try await house.format.open(metadataLocation: path, at: .time(5)) } != nil)
        #expect(await errorOf { try await house.format.open(metadataLocation: path, at: .snapshot(5)) } != nil)
        // A pointer to an older snapshot: rows are added to that one.
        var back = two
        back.snapshotID = first
        #expect(try await house.lines(back).count == 3)
        let on = try await house.change(back, rows: WriteTests.rows(100..<101))
        #expect(try await house.lines(on).count == 4)
    }

    @Test("names of tables and partitions make plain paths")
    func names() async throws {
        let house = try Warehouse()
        let name = TableName(schema: "Größe/..", name: "a b\"c")
        let table = try await house.format.create(
            NewTable(
                name: name, columns: [Field("x y/é", .text)],
                partitioning: [PartitionField(column: "x y/é", transform: .identity)]))
        let write = try await house.format.open(table, named: name).write(.change)
        try await onThread { () throws(SQLError) in
            let sink = try write.sink()
            try sink.append(batch([[.text("../../etc")], [.text("ok")], [.null(.text)]], [.text]))
            try sink.finish()
        }
        let made = try await write.commit(onto: table)
        #expect(try await house.lines(made) == ["../../etc", "\\N", "ok"])
        #expect(house.files.allSatisfy { !$0.contains("..") && $0.utf8.allSatisfy { $0 < 128 && $0 != 32 } })
    }
}
