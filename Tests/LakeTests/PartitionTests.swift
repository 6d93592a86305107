// Predicates on partition keys, from SQL to the S3 server: what is listed, what is opened, what EXPLAIN says of it.
import Coordinator
import Foundation
import S3Support
import Support
import Testing

@Suite(.enabled(if: MotoServer.shared != nil), .serialized)
struct PartitionTests {
    static let point = "year = 2026 AND month = 1 AND day = 7"

    @Test("a day lists only its prefixes and opens only its files", arguments: ["", "declared", "schema"])
    func oneDay(how: String) async throws {
        let shop = try await Shop()
        var table = "orders"
        switch how {
        case "schema":
            _ = try await shop.session.rows("CREATE SCHEMA shop LOCATION 's3://\(Shop.bucket)/raw/shop/'")
            table = "shop.orders"
            shop.proxy.forget()
        case "declared":
            try await shop.makeTable("(id bigint, price numeric(12,2)) PARTITIONED BY (year int, month int, day int)")
        default: try await shop.makeTable()
        }
        let rows = try await shop.session.rows("SELECT count(*), min(day), max(day) FROM \(table) WHERE \(Self.point)")
        #expect(rows == [["\(Shop.rowsPerDay)", "7", "7"]])
        let root = Shop.orders
        let wanted = [
            "\(root)/", "\(root)/year=2026/", "\(root)/year=2026/month=01/", "\(root)/year=2026/month=01/day=07/",
        ]
        if how == "schema" {
            // The folder is the table's only definition: one walk down its newest day tells columns and keys.
            let newest = ["\(root)/year=2026/month=01/day=31/"]
            #expect(Set(shop.listed) == Set(wanted + newest))
        } else {
            #expect(shop.listed == wanted)
        }
        let opened = shop.opened.filter { !$0.contains("day=31") }
        #expect(opened == ["/\(Shop.bucket)/\(root)/year=2026/month=01/day=07/part-0.parquet"])
        #expect(how == "schema" || shop.opened == opened)
    }

    @Test("EXPLAIN ANALYZE says what the server saw")
    func explains() async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        let sql = "SELECT sum(price) FROM orders WHERE \(Self.point)"
        let lines = try await shop.session.rows("EXPLAIN ANALYZE \(sql)").compactMap { $0[0] }
        let seen = shop.proxy.requests
        // Two years, but the listing of a folder stands for what is below: 2025, 11 months' folders, 30 days.
        let files = try #require(lines.first { $0.contains("Files: ") })
        #expect(files.contains("32 considered, 31 pruned by partition, 0 by statistics, 1 opened"), "\(files)")
        #expect(lines.contains { $0.contains("Row Groups: 1 read, 0 pruned") })
        let bytes = try #require(lines.first { $0.contains("Bytes Read: ") })
        #expect(bytes.hasSuffix("in \(seen.count) requests, \(shop.listed.count) of them listings"), "\(bytes)")

        let second = try await Shop()
        try await second.makeTable()
        let json = try await second.session.rows("EXPLAIN (ANALYZE, FORMAT json) \(sql)")[0][0] ?? ""
        let scan = try #require(Self.scan(try JSONSerialization.jsonObject(with: Data(json.utf8))))
        func count(_ name: String) -> Int? { (scan[name] as? NSNumber)?.intValue }
        #expect(count("Files Considered") == 32 && count("Files Pruned by Partition") == 31)
        #expect(count("Files Pruned by Statistics") == 0 && count("Files Pruned by Join Keys") == 0)
        #expect(count("Files Opened") == 1 && count("Files Opened") == second.opened.count)
        #expect(count("Row Groups Read") == 1 && count("Row Groups Pruned") == 0)
        #expect(count("Requests") == second.proxy.requests.count)
        #expect(count("List Requests") == second.listed.count)
        #expect((count("Bytes Read") ?? 0) > 500)
    }

    @Test("statistics prune what the keys leave, and EXPLAIN tells them apart")
    func statistics() async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        let sql = "EXPLAIN (ANALYZE, FORMAT json) SELECT count(*) FROM orders WHERE \(Self.point) AND id < 0"
        let json = try await shop.session.rows(sql)[0][0] ?? ""
        let scan = try #require(Self.scan(try JSONSerialization.jsonObject(with: Data(json.utf8))))
        #expect(scan["Files Pruned by Statistics"] as? Int == 1 && scan["Files Opened"] as? Int == 0)
        #expect(scan["Row Groups Pruned"] as? Int == 1 && scan["Row Groups Read"] as? Int == 0)
        #expect(scan["Requests"] as? Int == shop.proxy.requests.count)
    }

    /// The first node with files.
    private static func scan(_ json: Any) -> [String: Any]? {
        if let list = json as? [Any] { return list.lazy.compactMap { scan($0) }.first }
        guard let node = json as? [String: Any] else { return nil }
        if node["Files Considered"] != nil { return node }
        return ["Plan", "Plans"].lazy.compactMap { node[$0].flatMap { scan($0) } }.first
    }

    /// A condition, the days that match it, whether folders are left out of the listing, and whether files are.
    struct Case: CustomStringConvertible, Sendable {
        var sql: String
        var prunesFolders = true
        var prunesFiles = true
        var matches: @Sendable ((year: Int, month: Int, day: Int)) -> Bool
        var description: String { sql }
    }

    static let cases: [Case] = [
        Case(sql: "year = 2026 AND month = 1 AND day IN (1, 9, 31, 40)") {
            $0.year == 2026 && [1, 9, 31].contains($0.day)
        },
        Case(sql: "year = 2026 AND month = 1 AND (day = 7 OR day = 9)") { $0.year == 2026 && [7, 9].contains($0.day) },
        Case(sql: "(year = 2025 AND month = 12 AND day = 31) OR (year = 2026 AND month = 1 AND day = 1)") {
            ($0.year == 2025 && $0.month == 12 && $0.day == 31) || ($0.year == 2026 && $0.day == 1)
        },
        Case(
            sql: "make_date(year::int, month::int, day::int) BETWEEN '2025-12-30' AND '2026-01-02'",
            prunesFolders: false
        ) {
            ($0.year == 2025 && $0.month == 12 && $0.day >= 30) || ($0.year == 2026 && $0.day <= 2)
        },
        Case(sql: "make_date(year::int, month::int, day::int) = date '2025-12-24'", prunesFolders: false) {
            $0.year == 2025 && $0.month == 12 && $0.day == 24
        },
        Case(sql: "year = 2026 AND (month, day) >= (1, 25)") { $0.year == 2026 && $0.day >= 25 },
        Case(sql: "year = 2026 AND (month, day) IN ((1, 2), (1, 3))") { $0.year == 2026 && [2, 3].contains($0.day) },
        Case(sql: "(year, month, day) = (2025, 11, 5)") { $0.month == 11 && $0.day == 5 },
        Case(sql: "year * 100 + month = 202511 AND day % 10 = 0", prunesFolders: false) {
            $0.month == 11 && $0.day % 10 == 0
        },
        Case(sql: "year BETWEEN 2025 AND 2025 AND month > 11") { $0.month == 12 },
        Case(sql: "month <> 12 AND day >= 30") { $0.month != 12 && $0.day >= 30 },
        Case(sql: "NOT (year = 2025) AND day < 4") { $0.year == 2026 && $0.day < 4 },
        Case(sql: "year = 2026 AND day IS NULL") { _ in false },
        Case(sql: "year = '2026' AND month = 01 AND day = 31.0") { $0.year == 2026 && $0.day == 31 },
        Case(sql: "coalesce(year, 0) = 2026 AND day = 1", prunesFolders: true) { $0.year == 2026 && $0.day == 1 },
        Case(sql: "random() < 2 AND day = 30") { $0.day == 30 },
        Case(sql: "day = 30 OR random() < -1", prunesFolders: false, prunesFiles: false) { $0.day == 30 },
        Case(sql: "1 / (day - 7) >= 0 AND day > 7", prunesFolders: true) { $0.day > 7 },
    ]

    @Test("conditions on keys give the rows of their days and leave other files alone", arguments: cases)
    func conditions(_ this: Case) async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        let rows = try await shop.session.rows(
            "SELECT year, month, day, count(*) FROM orders WHERE \(this.sql) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
        let days = Shop.days.filter(this.matches)
        #expect(rows == days.map { ["\($0.year)", "\($0.month)", "\($0.day)", "\(Shop.rowsPerDay)"] })
        let files = days.map { "/\(Shop.bucket)/\(Shop.folder($0))part-0.parquet" }
        if this.prunesFiles {
            // The newest file told the columns when the table was made, and may be known still.
            #expect(Set(shop.opened).isSubset(of: files), "\(shop.opened.count) opened of \(files.count)")
        }
        if this.prunesFolders {
            let folders = shop.listed.filter { $0.contains("/day=") }
            #expect(folders.count < Shop.days.count && !shop.listed.isEmpty)
            #expect(Set(folders).isSubset(of: Set(days.map(Shop.folder))) || folders.count <= 62, "\(folders)")
        }
    }

    @Test("what a join finds on its build side rules out files")
    func joins() async throws {
        let shop = try await Shop()
        try await shop.makeTable()
        let sql = """
            SELECT count(*) FROM orders o
            JOIN (VALUES (2025, 12, 24), (2026, 1, 7)) AS d(y, m, d) ON o.year = d.y AND o.month = d.m AND o.day = d.d
            """
        #expect(try await shop.session.rows(sql) == [["\(2 * Shop.rowsPerDay)"]])
        // Keys are filtered one by one: the days between are ruled out, and those of other months may not be.
        #expect(shop.opened.count <= 6, "\(shop.opened.count) opened")
        let fresh = try await Shop()
        try await fresh.makeTable()
        let json = try await fresh.session.rows("EXPLAIN (ANALYZE, FORMAT json) \(sql)")[0][0] ?? ""
        let scan = try #require(Self.scan(try JSONSerialization.jsonObject(with: Data(json.utf8))))
        let ruledOut = scan["Files Pruned by Join Keys"] as? Int ?? 0
        #expect(ruledOut >= Shop.days.count - 6 && scan["Files Opened"] as? Int == Shop.days.count - ruledOut)
        #expect(scan["Requests"] as? Int == fresh.proxy.requests.count)
    }

    @Test("leading zeros in text keys, and keys that are compared as other types")
    func textKeys() async throws {
        let shop = try await Shop()
        try await shop.makeTable("(id bigint) PARTITIONED BY (year text, month text, day text)")
        let one = "SELECT count(*) FROM orders WHERE year = '2026' AND month = '01' AND day = '07'"
        #expect(try await shop.session.rows(one) == [["\(Shop.rowsPerDay)"]])
        #expect(shop.opened.count == 1 && shop.listed.count == 4)
        let none = "SELECT count(*) FROM orders WHERE year = '2026' AND month = '1' AND day = '7'"
        #expect(try await shop.session.rows(none) == [["0"]])
        let cast = "SELECT count(*) FROM orders WHERE year::int = 2026 AND month::int = 1 AND day::int = 7"
        #expect(try await shop.session.rows(cast) == [["\(Shop.rowsPerDay)"]])
    }
}
