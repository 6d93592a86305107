// What statistics, page indexes and Bloom filters let a scan skip, and what it must not.

import Columns
import Diagnostics
import Formats
import Storage
import Synchronization
import Testing

@Suite("Pruning of Parquet files")
struct PruningTests {
    private func store(isRemote: Bool = false) throws -> OneObjectStore {
        OneObjectStore(try Fixture.bytes("sorted.parquet"), isRemote: isRemote, suffixMax: 64 << 10)
    }

    private func id(_ value: Int64) -> Scalar { .int8(value) }

    @Test("skips row groups outside the domain", arguments: [false, true])
    func rowGroups(isRemote: Bool) throws {
        let metrics = ScanMetrics()
        let domain = ColumnDomain.above(id(18_000), inclusive: true)
        let found = try rows(try store(isRemote: isRemote).scan(domains: ["id": domain], metrics: metrics))
        #expect(found.count == 2000)
        #expect(found.first?[0] == "18000")
        #expect(metrics[.rowGroupsPruned] == 3)
        #expect(metrics[.rowGroupsRead] == 1)
    }

    @Test("skips pages outside the domain and does not fetch them")
    func pages() throws {
        let metrics = ScanMetrics()
        let domain = ColumnDomain(low: id(7000), high: id(7100))
        let found = try rows(try store().scan(domains: ["id": domain], metrics: metrics))
        #expect(found.count < 1500)
        let numbers = Set(found.map { $0[0] })
        for value in 7000...7100 { #expect(numbers.contains("\(value)")) }
        #expect(metrics[.pagesPruned] > 5)
        #expect(metrics[.bytesRead] < 40_000)
    }

    @Test("skips row groups by their Bloom filters")
    func bloom() throws {
        for (value, isThere) in [("name 00300", true), ("name 00300x", false)] {
            let metrics = ScanMetrics()
            let found = try rows(
                try store().scan(domains: ["name": .equal(.text(value))], metrics: metrics))
            #expect(found.contains { $0[2] == value } == isThere)
            #expect(metrics[.rowGroupsPruned] == (isThere ? 3 : 4))
        }
        for (value, isThere) in [(Int32(501), true), (1001, false)] {
            let metrics = ScanMetrics()
            let found = try rows(try store().scan(domains: ["part": .equal(.int4(value))], metrics: metrics))
            #expect(found.contains { $0[1] == "\(value)" } == isThere)
        }
    }

    @Test("asks for bounds that are found while it runs")
    func dynamic() throws {
        let metrics = ScanMetrics()
        var scan = try store().scan(metrics: metrics)
        let calls = Mutex(0)
        scan.dynamicDomains = {
            calls.withLock { $0 += 1 }
            return [0: .below(Scalar(.int8, .int(100)), inclusive: true)]
        }
        let found = try rows(scan)
        #expect(found.count >= 101 && found.count <= 6000)
        #expect(metrics[.rowGroupsPruned] == 3)
        #expect(calls.withLock { $0 } >= 4)
    }

    @Test("skips pages by bounds that are found while it runs", arguments: [false, true])
    func dynamicPages(isRemote: Bool) throws {
        let metrics = ScanMetrics()
        var scan = try store(isRemote: isRemote).scan(metrics: metrics)
        scan.dynamicDomains = { [0: ColumnDomain(low: .int8(7000), high: .int8(7010))] }
        let found = Set(try rows(scan).map { $0[0] })
        for value in 7000...7010 { #expect(found.contains("\(value)")) }
        #expect(metrics[.rowGroupsPruned] == 3)
        // Remote row groups this small are read whole.
        #expect(isRemote || metrics[.pagesPruned] > 5)
    }

    @Test("keeps NULL rows for a domain that allows them")
    func nulls() throws {
        let found = try rows(try store().scan(domains: ["price": .onlyNull]))
        #expect(found.count { $0[3] == "\\N" } == 4000)
        let none = try rows(try store().scan(domains: ["id": .onlyNull]))
        #expect(none.isEmpty)
    }

    @Test("stops at the limit")
    func limit() throws {
        var scan = try store().scan()
        scan.limit = 2500
        #expect(try rows(scan).count == 2500)
    }

    @Test("reads a file without a column at all")
    func noColumns() throws {
        let store = try store()
        let metrics = ScanMetrics()
        let key = FileColumn.constant(.text("2024"))
        let source = try ParquetSource(FileScan(try store.footer(), in: store, columns: [key], metrics: metrics))
        var total = 0
        while let batch = try source.next() {
            total += batch.rows
            #expect(batch.columns[0].scalar(0) == .text("2024"))
        }
        #expect(total == 20_000)
        #expect(metrics[.bytesRead] == 0)
    }

    @Test("gives one dictionary for all batches of a chunk")
    func dictionaries() throws {
        let store = try store()
        let footer = try store.footer()
        let source = try ParquetSource(
            FileScan(footer, in: store, columns: [FileColumn(.file(4), type: .text)], rowGroups: [1]))
        var dictionaries: Set<ObjectIdentifier> = []
        while let batch = try source.next() {
            let dictionary = try #require(batch.columns[0].dictionary)
            #expect(dictionary.count == 3)
            dictionaries.insert(ObjectIdentifier(dictionary))
        }
        #expect(dictionaries.count == 1)
    }

    @Test("widens values and refuses what may lose")
    func widening() throws {
        let store = try store()
        let footer = try store.footer()
        func first(_ column: Int, _ type: SQLType) throws -> Scalar? {
            let columns = [FileColumn(.file(column), type: type)]
            let source = try ParquetSource(FileScan(footer, in: store, columns: columns))
            return try source.next()?.columns[0].scalar(2)
        }
        #expect(try first(1, .int8) == .int8(6))
        #expect(try first(1, .float8) == Scalar(.float8, .double(6)))
        let decimal = SQLType.decimal(precision: 20, scale: 3)
        #expect(try first(1, decimal) == Scalar(decimal, .int128(6000)))
        #expect(try first(1, .numeric) == Scalar(.numeric, .numeric(mantissa: 6, scale: 0)))
        #expect {
            _ = try first(0, .int4)
        } throws: { ($0 as? SQLError)?.state == .datatypeMismatch }
    }

    @Test("keeps footers by version")
    func cache() throws {
        let cache = FooterCache()
        let store = try store()
        let info = ObjectInfo(
            path: OneObjectStore.path, sizeBytes: Int64(store.bytes.count), modified: 5, etag: "a")
        let metrics = StoreMetrics()
        for _ in 0..<3 {
            _ = try ParquetFile.footerBlocking(
                of: info.path, in: store, info: info, cache: cache, metrics: metrics)
        }
        #expect(metrics.counters.requests == 1)
        #expect(cache.counters.hits == 2)
        var changed = info
        changed.etag = "b"
        #expect(cache.footer(for: changed) == nil)
    }
}
