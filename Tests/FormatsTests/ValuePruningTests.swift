// Bloom filters and dictionaries rule out row groups that the bounds cannot, and never one with a match.

import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Formats

@Suite("Pruning by the values of row groups")
struct ValuePruningTests {
    private static let names = ["id", "name", "number", "price", "wide"]

    private func store(_ file: String, isRemote: Bool) throws -> OneObjectStore {
        OneObjectStore(try Fixture.bytes("pruning/\(file).parquet"), isRemote: isRemote, suffixMax: 64 << 10)
    }

    private func texts(_ rows: [[String]], _ column: Int, _ wanted: Set<String>) -> [String] {
        rows.filter { wanted.contains($0[column]) }.map { $0[0] }.sorted()
    }

    @Test("rows of every equality and list are found", arguments: ["pyarrow", "duckdb"], [false, true])
    func never(_ file: String, isRemote: Bool) throws {
        let store = try store(file, isRemote: isRemote)
        let all = try rows(try store.scan())
        var random = Random(5)
        var pruned: Int64 = 0
        for _ in 0..<60 {
            let values = (0..<(1 + random.below(3))).map { _ in random.below(1000) }
            for column in [1, 2, 3] {
                let scalars = values.map { value -> Scalar in
                    switch column {
                    case 1: .text("name " + String(repeating: "0", count: 4 - "\(value)".count) + "\(value)")
                    case 2: .int4(Int32(value))
                    default: .int8(Int64(value * 100))
                    }
                }
                let metrics = ScanMetrics()
                let domain = values.count == 1 ? ColumnDomain.equal(scalars[0]) : .oneOf(scalars)
                let found = try rows(
                    try store.scan(domains: [ValuePruningTests.names[column]: domain], metrics: metrics))
                let wanted = Set(scalars.map { rendered($0) })
                #expect(texts(found, column, wanted) == texts(all, column, wanted), "\(wanted)")
                let ways = metrics[.rowGroupsPrunedByBloom] + metrics[.rowGroupsPrunedByDictionary]
                #expect(ways <= metrics[.rowGroupsPruned])
                pruned += ways
            }
        }
        // Remote row groups this small are read whole.
        #expect(isRemote || pruned > 200)
    }

    @Test("dictionaries tell where there is no Bloom filter")
    func dictionaries() throws {
        for (file, counter) in [
            ("pyarrow", ScanMetrics.Counter.rowGroupsPrunedByDictionary), ("duckdb", .rowGroupsPrunedByBloom),
        ] {
            let metrics = ScanMetrics()
            let domain = ColumnDomain.equal(.int4(998 * 2))
            #expect(
                try rows(try store(file, isRemote: false).scan(domains: ["number": domain], metrics: metrics)).isEmpty)
            #expect(metrics[counter] == 0 && metrics[.rowGroupsPruned] == 4)
            let inside = ScanMetrics()
            // Between the bounds of all four, in none: 1,2,3 times four and their remainders leave it out.
            let absent = ColumnDomain.equal(.int4(1))
            #expect(
                try rows(try store(file, isRemote: false).scan(domains: ["number": absent], metrics: inside)).isEmpty)
            #expect(inside[.rowGroupsPruned] == 4 && inside[counter] >= 3, "\(file)")
            // A domain with NULL says nothing about values that are there.
            var nullable = ColumnDomain.equal(.text("name 0001"))
            nullable.allowsNull = true
            let kept = ScanMetrics()
            _ = try rows(try store(file, isRemote: false).scan(domains: ["name": nullable], metrics: kept))
            #expect(kept[.rowGroupsRead] == 4)
        }
    }

    @Test("looking into dictionaries ends when it rules nothing out")
    func trials() throws {
        let store = try store("pyarrow", isRemote: false)
        let metrics = ScanMetrics()
        for _ in 0..<5 {
            _ = try rows(try store.scan(domains: ["number": .equal(.int4(999))], metrics: metrics))
        }
        #expect(metrics[.dictionariesRead] <= 5 && metrics[.rowGroupsRead] == 20)
    }

    @Test("encrypted files and columns, and VARIANT, are refused by name")
    func unsupported() throws {
        func error(_ file: String, _ columns: [Int]? = nil) throws -> SQLError? {
            let store = OneObjectStore(try Fixture.bytes("unsupported/\(file).parquet"))
            do throws(SQLError) {
                let footer = try store.footer()
                let read = columns ?? Array(footer.fields.indices)
                let scan = FileScan(
                    footer, in: store, columns: read.map { FileColumn(.file($0), type: footer.fields[$0].type) })
                #expect(try rows(scan).count == 100)
                return nil
            } catch { return error }
        }
        for (file, what) in [
            ("footer_encrypted", "an encrypted footer"), ("column_encrypted", "column \"name\": an encrypted column"),
            ("shredded_variant", "a VARIANT column"),
        ] {
            let found = try error(file)
            #expect(found?.state == .featureNotSupported, "\(file)")
            #expect(found?.message.contains("\"/lake/file.parquet\": ") == true)
            #expect(found?.message.contains(what) == true, "\(String(describing: found))")
        }
        // The columns beside an encrypted one are there.
        #expect(try error("column_encrypted", [0, 2]) == nil)
    }
}
