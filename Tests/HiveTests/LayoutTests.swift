import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Hive
import Storage
import Testing

struct LayoutTests {
    let format = HiveFormat(stores: LocalStore())

    @Test func decodesKeys() async throws {
        let table = try await format.open(fixture("hive/encoded"))
        #expect(table.types == ["v bigint", "city text"])
        #expect(try await table.rows(["v", "city"]).lines == ["1|DE", "2|a/b", "3|Zürich", "4|NULL", "5|50%"])
        #expect(try await table.rows(["v"], where: ["city": .equal(.text("Zürich"))]).lines == ["3"])
        #expect(try await table.rows(["v"], where: ["city": .onlyNull]).lines == ["4"])
        #expect(try await table.rows(["v"], where: ["city": .notNull]).rows.count == 4)
        #expect(try await table.rows(["v"], where: ["city": .equal(.text("nowhere"))]).rows.isEmpty)
    }

    @Test func infersTypes() async throws {
        let scratch = try Scratch()
        let file = fixture("hive/both/v=7/x.parquet")
        for (key, values) in [
            ("a", ["1", "-20", "NULL"]), ("b", ["01", "12"]), ("c", ["007", "12"]),
            ("d", ["2024-01-31", "2024-02-29"]),
            ("e", ["2024-01-31", "2024-02-30"]), ("f", ["2024-01-31 10%3A00%3A00"]), ("g", ["1.5"]), ("h", [""]),
            ("i", ["99999999999999999999"]), ("j", ["true"]), ("k", ["+1"]),
        ] {
            for value in values { try scratch.copy(file, to: "\(key)/key=\(value)/x.parquet") }
        }
        var types: [String: String] = [:]
        for key in try await format.tables(under: scratch.path) {
            let table = try await format.open(scratch.path + "/" + key)
            types[key] = try #require(table.schema.fields.last).type.name
        }
        #expect(
            types == [
                "a": "bigint", "b": "bigint", "c": "text", "d": "date", "e": "text", "f": "timestamp without time zone",
                "g": "text", "h": "text", "i": "text", "j": "text", "k": "text",
            ])
        // The last branch has a number, another one a code that must not become the same number.
        try scratch.copy(file, to: "l/a=1/key=007/x.parquet")
        try scratch.copy(file, to: "l/a=2/key=7/x.parquet")
        let inferred = try await format.open(scratch.path + "/l")
        #expect(await errorOf { try await inferred.rows(["key"]) }?.state == .invalidTextRepresentation)
        let declared = try await format.open(scratch.path + "/l", keys: [Field("a", .int4), Field("key", .varchar(3))])
        #expect(try await declared.rows(["a", "key"]).lines == ["1|007", "2|7"])
        let mistyped = try await format.open(scratch.path + "/c", keys: [Field("key", .date)])
        let error = await errorOf { try await mistyped.rows(["key"]) }
        #expect(error?.state == .invalidDatetimeFormat && error?.message.contains("\"key\"") == true)
    }

    @Test func unitesColumnsByName() async throws {
        let location = fixture("hive/drift")
        let table = try await format.readParquet([location + "/*.parquet"], options: ["union_by_name": .boolean(true)])
        #expect(table.types == ["id bigint", "name text", "extra double precision"])
        #expect(
            try await table.rows(["id", "name", "extra"]).lines == [
                "1|one|NULL", "2|two|NULL", "3|NULL|1.5", "4|four|NULL",
            ])
        #expect(try await table.rows(["id"], where: ["extra": .notNull]).lines == ["3"])
        // Without it, the first file tells the columns, and the second has a wider one.
        let plain = try await format.readParquet([location], options: [:])
        #expect(plain.types == ["id integer", "name text"])
        let wide = await errorOf { try await plain.rows(["id"]) }
        #expect(wide?.state == .datatypeMismatch)
        #expect(wide?.message.contains("a.parquet") == true && wide?.message.contains("b.parquet") == true)
        let lacking = await errorOf { try await plain.rows(["name"]) }
        #expect(lacking?.state == .undefinedColumn && lacking?.hint?.contains("union_by_name") == true)
        let declared = try await format.open(
            location, columns: [Field("id", .int8), Field("extra", .float8), Field("name", .varchar(10))])
        #expect(try await declared.rows(["id", "name", "extra"]).rows.count == 4)
    }

    @Test func refusesClashes() async throws {
        let location = fixture("hive/clash")
        let error = await errorOf {
            try await format.readParquet([location], options: ["union_by_name": .boolean(true)])
        }
        #expect(error?.state == .datatypeMismatch)
        #expect(error?.message.contains("a.parquet") == true && error?.message.contains("b.parquet") == true)
        let table = try await format.open(location)
        #expect(await errorOf { try await table.rows(["v"]) }?.state == .datatypeMismatch)
    }

    @Test func mixedDepths() async throws {
        let location = fixture("hive/mixed")
        let table = try await format.open(location)
        let error = await errorOf { try await table.rows(["v"]) }
        #expect(error?.state == SQLState("42P17") && error?.message.contains("a=1") == true)
        let plain = try await format.readParquet(
            [location + "/**/*.parquet"], options: ["hive_partitioning": .boolean(false)])
        #expect(try await plain.rows(["v"]).lines == ["1", "2"])
        let paths = [location + "/a=1/x.parquet", location + "/a=2/b=1/x.parquet"]
        #expect(try await format.readParquet(paths, options: [:]).types == ["v bigint"])
        let forced = await errorOf {
            try await format.readParquet(paths, options: ["hive_partitioning": .boolean(true)])
        }
        #expect(forced?.state == .invalidParameterValue)
    }

    @Test func pathsWinOverFiles() async throws {
        let table = try await format.open(fixture("hive/both"))
        #expect(table.types == ["v bigint", "w text"])
        #expect(try await table.rows(["v", "w"]).lines == ["7|kept"])
    }

    @Test func addsVirtualColumns() async throws {
        let location = fixture("hive/encoded")
        let table = try await format.readParquet(
            [location + "/*/*.parquet"],
            options: [
                "filename": .boolean(true), "file_row_number": .boolean(true), "hive_types": .text("city varchar"),
            ])
        #expect(table.types == ["v bigint", "filename text", "file_row_number bigint", "city text"])
        let file = location + "/city=DE/part-0.parquet"
        let scanned = try await table.rows(
            ["filename", "file_row_number", "v"], where: ["filename": .equal(.text(file))])
        #expect(scanned.lines == [file + "|0|1"] && scanned.metrics[.filesOpened] == 1)
        let named = try await format.readParquet([file], options: ["filename": .text("source")])
        #expect(named.types == ["v bigint", "source text", "city text"])
    }

    @Test func tellsWhatIsWrong() async throws {
        let nothing = await errorOf { try await format.readParquet(["/nowhere/*.parquet"], options: [:]) }
        #expect(nothing?.state == .undefinedFile)
        #expect(nothing?.message == "no files match \"/nowhere/*.parquet\"")
        #expect(await errorOf { try await format.open("/nowhere/at/all") }?.state == .undefinedFile)
        let option = await errorOf { try await format.readParquet(["x"], options: ["colour": .text("red")]) }
        #expect(option?.state == .invalidParameterValue && option?.message.contains("colour") == true)
        let empty = fixture("hive/empty")
        #expect(await errorOf { try await format.open(empty) }?.message == "no files match \"\(empty)\"")
        let declared = try await format.open(empty, columns: [Field("a", .int4)], keys: [Field("k", .int4)])
        #expect(declared.types == ["a integer", "k integer"])
        for domains in [[:], ["k": ColumnDomain.equal(.int4(1))]] {
            #expect(await errorOf { try await declared.rows(["a"], where: domains) }?.state == .undefinedFile)
        }
        let orc = ExternalDefinition(format: "orc", location: empty)
        let unsupported = await errorOf { try await format.open(orc, named: TableName(schema: "s", name: "t")) }
        #expect(unsupported?.state == .featureNotSupported)
        let notNull = Field("v", .int8, isNullable: false)
        let table = try await format.open(fixture("hive/both"), columns: [notNull], keys: [Field("v", .int8)])
        #expect(table.schema.fields.allSatisfy { $0.isNullable })
    }

    @Test func listsTablesOfASchema() async throws {
        let shop = fixture("lake/shop")
        #expect(try await format.tables(under: shop + "/") == ["customers", "orders"])
        let definition = try #require(try await format.definition(of: "orders", under: shop))
        #expect(definition.location == shop + "/orders/" && definition.columns.isEmpty)
        let table = try await format.open(definition, named: TableName(schema: "shop", name: "orders"))
        #expect(table.schema.fields.count == 10)
        for name in ["nothing", "../shop", "", ".", "_x", "year=2026"] {
            #expect(try await format.definition(of: name, under: shop) == nil, "\(name)")
        }
        #expect(try await format.tables(under: shop + "/orders").isEmpty)
        let scratch = try Scratch()
        try scratch.copy(shop + "/orders/year=2025/month=12/day=31/part-0.parquet", to: "odd [a]*?/part.parquet")
        #expect(try await format.tables(under: scratch.path) == ["odd [a]*?"])
        let odd = try #require(try await format.definition(of: "odd [a]*?", under: scratch.path))
        let opened = try await format.open(odd, named: TableName(schema: "s", name: "t"))
        #expect(try await !opened.rows(["id"]).rows.isEmpty)
    }

    @Test func noticesNewFiles() async throws {
        let scratch = try Scratch()
        let shop = fixture("lake/shop/orders/year=2025/month=12")
        try scratch.copy(shop + "/day=30/part-0.parquet", to: "a.parquet")
        let table = try await format.open(scratch.path)
        let before = try await table.rows(["id"]).rows.count
        #expect(table.statistics.rows == Double(before))
        try scratch.copy(shop + "/day=31/part-0.parquet", to: "b.parquet")
        #expect(try await table.rows(["id"]).rows.count > before)
    }
}
