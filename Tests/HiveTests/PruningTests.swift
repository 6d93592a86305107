import Catalogs
import Columns
import Diagnostics
import Formats
import Hive
import Storage
import Testing

struct PruningTests {
    let orders = fixture("lake/shop/orders")

    private func day(_ year: Int64, _ month: Int64, _ day: Int64) -> [String: ColumnDomain] {
        ["year": .equal(.int8(year)), "month": .equal(.int8(month)), "day": .equal(.int8(day))]
    }

    @Test func opensWithAWalkDownOneBranch() async throws {
        let store = CountingStore(isEager: true)
        let table = try await HiveFormat(stores: store).open(orders)
        #expect(
            table.types == [
                "id bigint", "customer_id bigint", "product text", "quantity integer", "price numeric(12,2)",
                "status text", "ordered_at timestamp with time zone", "year bigint", "month bigint", "day bigint",
            ])
        // The folder itself twice: once to see that it is one.
        #expect(store.seen.lists.count <= 5)
        #expect(store.seen.reads.count == 1)
        let rows = try #require(table.statistics.rows)
        #expect(!table.statistics.isExact && rows > 300 && rows < 5000)
    }

    @Test func listsOnlyWhatMatches() async throws {
        let store = CountingStore(isEager: true)
        let table = try await HiveFormat(stores: store).open(orders)
        store.forget()
        let scanned = try await table.rows(["id", "year", "month", "day"], where: day(2026, 1, 7))
        #expect(
            store.seen.lists == [
                orders, orders + "/year=2026", orders + "/year=2026/month=01", orders + "/year=2026/month=01/day=07",
            ])
        #expect(store.seen.reads == [orders + "/year=2026/month=01/day=07/part-0.parquet"])
        #expect(scanned.report.filesConsidered - scanned.report.filesPrunedByPartition == 1)
        #expect(scanned.report.listRequests == 4 + 4)
        #expect(scanned.metrics[.filesOpened] == 1)
        #expect(!scanned.rows.isEmpty)
        #expect(scanned.rows.allSatisfy { Array($0[1...]) == ["2026", "1", "7"] })
    }

    @Test func declaredTablesNeedNoLookBeforeTheScan() async throws {
        let store = CountingStore(isEager: true)
        let format = HiveFormat(stores: store)
        let keys = [Field("year", .int4), Field("month", .int4), Field("day", .int4)]
        let columns = [Field("id", .int8), Field("product", .varchar(20)), Field("new", .date)]
        let table = try await format.open(orders + "/", columns: columns, keys: keys)
        #expect(store.seen.lists.isEmpty && store.seen.reads.isEmpty && table.statistics.rows == nil)
        let scanned = try await table.rows(["id", "new", "day"], where: day(2026, 1, 7))
        #expect(store.seen.lists.count == 4 && store.seen.reads.count == 1)
        #expect(!scanned.rows.isEmpty && scanned.rows.allSatisfy { $0[1] == "NULL" && $0[2] == "7" })
        // A scan of all tells the size for the next opening.
        let all = try await table.rows(["id"])
        let again = try await format.open(orders + "/", columns: columns, keys: keys)
        #expect(again.statistics.rows == Double(all.rows.count) && !again.statistics.isExact)
        let local = try await HiveFormat(stores: LocalStore()).open(
            fixture("hive/groups/big.parquet"), columns: [Field("n", .int8)],
            options: ["hive_partitioning": "false"])
        #expect(local.statistics.isExact && local.statistics.columns[0]?.max == .int8(199_999))
    }

    @Test func readsManyFiles() async throws {
        let days = try await LocalStore().list(ObjectPath(file: orders)).map(\.path.text)
        let format = HiveFormat(stores: CountingStore(isEager: true))
        let table = try await format.readParquet(days.reversed() + [days[0]], options: [:])
        let whole = try await HiveFormat(stores: LocalStore()).open(orders)
        let first = try await whole.rows(
            ["id"],
            where: [
                "year": .equal(.int8(2025)), "month": .equal(.int8(12)), "day": .equal(.int8(18)),
            ])
        let all = try await table.rows(["id", "year", "month", "day"])
        #expect(all.rows.count == (try await whole.rows(["id"])).rows.count + first.rows.count)
        #expect(table.statistics.isExact && table.statistics.rows == Double(all.rows.count))
    }

    @Test func listsAllBelowTheLastConstrainedKey() async throws {
        let store = CountingStore()
        let table = try await HiveFormat(stores: store).open(orders)
        store.forget()
        let scanned = try await table.rows(["day"], where: ["year": .equal(.int8(2026))])
        #expect(store.seen.lists == [orders, orders + "/year=2026"])
        #expect(Set(scanned.rows.map { $0[0] }).count == 14)
        store.forget()
        let days = try await table.rows(
            ["day"], where: ["day": .oneOf([.int4(31), .int4(1), .int4(99)])])
        #expect(Set(days.rows.map { $0[0] }) == ["31", "1"])
        store.forget()
        _ = try await table.rows(["day"])
        #expect(store.seen.lists == [orders])
    }

    @Test func agreesWithAFullScan() async throws {
        let format = HiveFormat(stores: LocalStore())
        let table = try await format.open(orders)
        let all = try await table.rows(["id", "year", "month", "day"])
        #expect(Set(all.rows.map { $0[0] }).count == all.rows.count)
        let some = try await table.rows(
            ["id", "year", "month", "day"],
            where: ["month": .above(.int4(2), inclusive: true), "day": .below(.int4(20), inclusive: false)])
        let wanted = all.rows.filter { (Int($0[2]) ?? 0) >= 2 && (Int($0[3]) ?? 99) < 20 }
        #expect(!wanted.isEmpty)
        #expect(some.lines == wanted.map { $0.joined(separator: "|") }.sorted())
        #expect(try await table.rows(["id"], where: ["year": .none]).rows.isEmpty)
        #expect(try await table.rows(["id"], where: day(1999, 1, 1)).rows.isEmpty)
        #expect(try await table.rows([]).rows.count == all.rows.count)
    }

    @Test func filtersConstantsToo() async throws {
        let table = try await HiveFormat(stores: LocalStore()).open(orders)
        let scanned = try await table.rows(["id", "day"], filter: ("day", .int8(7)))
        #expect(!scanned.rows.isEmpty && scanned.rows.allSatisfy { $0[1] == "7" })
    }

    @Test func readsWithUnknownFooters() async throws {
        // More files than footers are read ahead for.
        let scratch = try Scratch()
        let source = orders + "/year=2026/month=01/day=07/part-0.parquet"
        for index in 0..<100 { try scratch.copy(source, to: "n=\(index)/x.parquet") }
        for isEager in [true, false] {
            let store = CountingStore(isEager: isEager)
            let table = try await HiveFormat(stores: store).open(scratch.path)
            store.forget()
            let scanned = try await table.rows(["id", "n"], filter: ("n", .int8(42)))
            #expect(scanned.rows.count > 10 && scanned.rows.allSatisfy { $0[1] == "42" })
            let one = try await table.rows(["id", "n"], where: ["n": .equal(.int8(42))])
            #expect(one.lines == scanned.lines)
            #expect(scanned.metrics[.filesOpened] == 100)
            // Where requests are cheap, footers are read while planning.
            guard isEager else { continue }
            #expect(scanned.metrics[.requests] == 99)
            // What a join finds while the query runs keeps files from being looked into.
            let fresh = CountingStore(isEager: isEager)
            let again = try await HiveFormat(stores: fresh).open(scratch.path)
            fresh.forget()
            let joined = try await again.rows(["id", "n"], found: { [1: .equal(.int8(42))] })
            #expect(joined.lines == scanned.lines && joined.metrics[.filesRuledOut] == 99)
            #expect(fresh.seen.reads.count == 1)
        }
    }

    @Test func prunesByStatistics() async throws {
        let store = CountingStore()
        let table = try await HiveFormat(stores: store).open(fixture("hive/groups"))
        #expect(table.statistics.isExact && table.statistics.rows == 200_000)
        #expect(table.statistics.columns[0]?.min == .int4(0))
        #expect(table.statistics.columns[0]?.max == .int4(199_999))
        #expect(table.statistics.columns[0]?.nullCount == 0)
        let all = try await table.rows(["n"])
        #expect(all.rows.count == 200_000 && all.tasks == 2 && all.metrics[.filesOpened] == 1)
        let some = try await table.rows(["n"], where: ["n": .above(.int8(160_000), inclusive: true)])
        #expect(some.rows.count == 50_000 && some.report.rowGroupsPruned == 3)
        let none = try await table.rows(["n"], where: ["n": .below(.int8(0), inclusive: false)])
        #expect(none.rows.isEmpty && none.report.filesPrunedByStatistics == 1)
        #expect(try await table.rows(["n"], limit: 5).rows.count >= 5)
    }

    @Test func neverOpensWhatIsPruned() async throws {
        let location = fixture("hive/damaged")
        let table = try await HiveFormat(stores: LocalStore()).open(location)
        #expect(table.types == ["v bigint", "day date"])
        let date = try TextParse.scalar("2026-01-03", as: .date)
        #expect(try await table.rows(["v"], where: ["day": .equal(date)]).lines == ["3"])
        let error = await errorOf { try await table.rows(["v"]) }
        #expect(error?.state == .dataCorrupted)
        #expect(error?.message.contains("day=2026-01-02") == true)
        // Even when the newest file is the damaged one.
        let scratch = try Scratch()
        try scratch.copy(location + "/day=2026-01-01", to: "day=2026-01-01")
        try scratch.copy(location + "/day=2026-01-02", to: "day=2026-01-02")
        let older = try await HiveFormat(stores: LocalStore()).open(scratch.path)
        let first = try TextParse.scalar("2026-01-01", as: .date)
        #expect(try await older.rows(["v"], where: ["day": .equal(first)]).lines == ["1"])
        #expect(await errorOf { try await older.rows(["v"]) }?.state == .dataCorrupted)
        let file = location + "/day=2026-01-02/part-0.parquet"
        let only = await errorOf { try await HiveFormat(stores: LocalStore()).readParquet([file], options: [:]) }
        #expect(only?.state == .dataCorrupted)
    }
}
