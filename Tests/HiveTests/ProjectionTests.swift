// Partition projection: prefixes are computed from the table's properties, and nothing else is listed.
import Catalogs
import Columns
import Diagnostics
import Foundation
import Hive
import Storage
import Testing

struct ProjectionTests {
    let store = CountingStore()
    private var format: HiveFormat { HiveFormat(stores: store) }
    private let columns = [Field("w", .int8)]
    private let file = fixture("hive/both/v=7/x.parquet")

    private func listed(below scratch: Scratch) -> [String] {
        store.seen.lists.map { String($0.dropFirst(scratch.path.count + 1)) }.sorted()
    }

    @Test("dates, integers and words: only what the predicate admits is listed")
    func kinds() async throws {
        let scratch = try Scratch()
        for day in ["2024-02-28", "2024-02-29", "2024-03-01"] {
            for (hour, region) in [("00", "eu"), ("06", "eu"), ("06", "us")] {
                try scratch.copy(file, to: "t/day=\(day)/hour=\(hour)/region=\(region)/x.parquet")
            }
        }
        // Not projected: not there.
        try scratch.copy(file, to: "t/day=2024-02-29/hour=07/region=eu/x.parquet")
        let table = try await format.open(
            scratch.path + "/t", columns: columns,
            keys: [Field("day", .date), Field("hour", .int4), Field("region", .text)],
            options: [
                "projection.enabled": "true", "projection.day.type": "date", "projection.day.range": "2024-02-01,NOW",
                "projection.hour.type": "integer", "projection.hour.range": "0,18", "projection.hour.interval": "6",
                "projection.hour.digits": "2", "projection.region.type": "enum", "projection.region.values": "eu,us",
            ])
        let day = Scalar(.date, .int(19_782))
        let one = try await table.rows(
            ["day", "hour", "region"], where: ["day": .equal(day), "region": .equal(.text("eu"))])
        #expect(one.lines == ["19782|0|eu", "19782|6|eu"])
        #expect(
            listed(below: scratch)
                == ["00", "06", "12", "18"].map { "t/day=2024-02-29/hour=\($0)/region=eu" })
        #expect(one.report.filesConsidered == 2)
        store.forget()
        let range = try await table.rows(
            ["day"],
            where: [
                "day": .above(Scalar(.date, .int(19_781)), inclusive: true)
                    .intersect(.below(day, inclusive: true)),
                "hour": .equal(.int8(6)), "region": .oneOf([.text("us"), .text("asia")]),
            ])
        #expect(range.lines == ["19781", "19782"])
        #expect(store.seen.lists.count == 2)
        #expect(try await table.rows(["hour"], where: ["hour": .equal(.int8(7))]).rows.isEmpty)
        #expect(store.seen.lists.count == 2)
    }

    @Test("templates, formats, text keys and injected ones")
    func templates() async throws {
        let scratch = try Scratch()
        try scratch.copy(file, to: "raw/acme/2023/12/data.parquet")
        try scratch.copy(file, to: "raw/acme/2024/01/data.parquet")
        let options = [
            "projection.enabled": "TRUE", "projection.month.type": "date", "projection.month.format": "yyyy/MM",
            "projection.month.range": "2023/11,2024/02", "projection.month.interval.unit": "MONTHS",
            "projection.customer.type": "injected",
            "storage.location.template": scratch.path + "/raw/${customer}/${month}/",
        ]
        let keys = [Field("customer", .text), Field("month", .text)]
        let table = try await format.open(scratch.path + "/raw", columns: columns, keys: keys, options: options)
        let found = try await table.rows(["customer", "month"], where: ["customer": .equal(.text("acme"))])
        #expect(found.lines == ["acme|2023/12", "acme|2024/01"])
        #expect(
            listed(below: scratch)
                == ["2023/11", "2023/12", "2024/01", "2024/02"].map { "raw/acme/\($0)" })
        let error = await errorOf { try await table.rows(["month"]) }
        #expect(error?.state == .invalidParameterValue && error?.hint?.contains("customer = ") == true)
    }

    @Test("NOW and steps back from it")
    func now() async throws {
        let scratch = try Scratch()
        let table = try await format.open(
            scratch.path + "/t", columns: columns, keys: [Field("d", .date)],
            options: [
                "projection.enabled": "true", "projection.d.type": "date", "projection.d.range": "NOW-3DAYS,NOW",
            ])
        #expect(try await table.rows(["d"]).rows.isEmpty)
        let count = store.seen.lists.count
        #expect(count == 4)
    }

    @Test(
        "properties that make no sense are errors",
        arguments: [
            ["type": "integer"], ["type": "integer", "range": "5,1"], ["type": "date", "range": "a,b"],
            ["type": "date", "range": "2024-01-01,NOW-3FORTNIGHTS"], ["type": "what"], [:],
            ["type": "enum", "values": "a", "colour": "red"], ["type": "date", "range": "2024,NOW", "format": "QQ"],
        ])
    func mistakes(_ properties: [String: String]) async throws {
        var options = ["projection.enabled": "true"]
        for (name, value) in properties { options["projection.k.\(name)"] = value }
        let error = await errorOf {
            try await format.open("/nowhere", columns: columns, keys: [Field("k", .text)], options: options)
        }
        #expect(error != nil)
        let huge = [
            "projection.enabled": "true", "projection.k.type": "integer", "projection.k.range": "0,9000000000000000000",
        ]
        let table = try await format.open("/nowhere", columns: columns, keys: [Field("k", .int8)], options: huge)
        #expect(await errorOf { try await table.rows(["k"]) }?.state == .programLimitExceeded)
        #expect(try await table.rows(["k"], where: ["k": .equal(.int8(8_999_999_999_999_999_999))]).rows.isEmpty)
    }
}
