// Files of other writers: the rows are those that DuckDB reads, damage is an error.

import Columns
import Diagnostics
import Formats
import Testing

@Suite("Parquet files of other writers")
struct CorpusTests {
    @Test("give the rows that DuckDB reads", arguments: try Fixture.names("expected"))
    func equalRows(name: String) throws {
        let file = String(name.dropLast(".csv".count))
        if file.contains("corrupt-checksum") { return }
        let store = OneObjectStore(try Fixture.bytes("data/\(file)"))
        let expected = records(String(decoding: try Fixture.bytes("expected/\(name)"), as: UTF8.self))
        let header = try #require(expected.first)
        let footer = try store.footer()
        let names = footer.fields.map(\.name)
        let actual = try rows(try store.scan())
        #expect(actual.count == footer.rows)
        #expect(min(actual.count, 300) == expected.count - 1)
        for (index, name) in names.enumerated() {
            let column = try #require(header.firstIndex(of: name))
            // Printed by a reader that knows maps without values as pairs.
            if file == "map_no_value.parquet", name == "my_map" { continue }
            for (row, record) in expected.dropFirst().enumerated() {
                guard !isEqual(actual[row][index], record[column]) else { continue }
                Issue.record("\(file) row \(row) \(name): \(actual[row][index]) instead of \(record[column])")
                break
            }
        }
    }

    /// Floats are equal when they are the same number, however printed.
    private func isEqual(_ a: String, _ b: String) -> Bool {
        if a == b { return true }
        guard let x = Double(a), let y = Double(b) else { return false }
        return x == y || (x.isNaN && y.isNaN)
    }

    @Test("give the same rows under any filter and however they are fetched", arguments: try Fixture.names("data"))
    func filtered(name: String) throws {
        if name.contains("corrupt") || name.contains("encrypt") { return }
        let bytes = try Fixture.bytes("data/\(name)")
        let all = try rows(try OneObjectStore(bytes).scan())
        for seed in 0..<6 as Range<UInt64> {
            let store = OneObjectStore(bytes, isRemote: seed & 1 == 0, suffixMax: seed & 2 == 0 ? 64 : .max)
            let scan = try store.scan()
            var random = Random(seed + 1)
            let width = scan.columns.count
            let stages = [[random.below(width)], [random.below(width), random.below(width)]]
            let percent = [2, 30, 90][Int(seed) % 3]
            for row in try rows(scan, filter: RandomFilter(stages: stages, seed: seed, percent: percent)) {
                let number = try #require(Int(row[width - 1]))
                #expect(row == all[number])
            }
        }
    }

    @Test("raise errors when they are damaged", arguments: try Fixture.names("bad"))
    func damaged(name: String) throws {
        let store = OneObjectStore(try Fixture.bytes("bad/\(name)"))
        // Valid after all.
        if name.contains("43605") {
            _ = try rows(try store.scan())
            return
        }
        #expect {
            _ = try rows(try store.scan())
        } throws: { error in
            (error as? SQLError)?.state == .dataCorrupted
        }
    }

    @Test(
        "raise errors when a checksum is wrong",
        arguments: ["datapage_v1-corrupt-checksum.parquet", "rle-dict-uncompressed-corrupt-checksum.parquet"])
    func checksums(name: String) throws {
        let store = OneObjectStore(try Fixture.bytes("data/\(name)"))
        #expect {
            _ = try rows(try store.scan())
        } throws: { error in
            (error as? SQLError)?.message.contains("checksum") ?? false
        }
    }

    @Test("are refused when they are encrypted")
    func encrypted() throws {
        let store = OneObjectStore(try Fixture.bytes("data/uniform_encryption.parquet.encrypted"))
        #expect {
            _ = try store.footer()
        } throws: { error in
            (error as? SQLError)?.state == .featureNotSupported
        }
    }

    @Test("never crash when bytes are changed")
    func mutations() throws {
        var random = Random(11)
        let files = try Fixture.names("data").filter { $0 != "alltypes_tiny_pages.parquet" }
        for round in 0..<1500 {
            var bytes = try Fixture.bytes("data/\(files[random.below(files.count)])")
            for _ in 0...random.below(5) {
                let isFooter = random.below(3) == 0
                let place = isFooter ? bytes.count - 1 - random.below(bytes.count / 4) : random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes[place] ^= 1 << UInt8(random.below(8))
                default: bytes[place] = 0xff
                }
            }
            if round % 20 == 0 { bytes.removeLast(random.below(bytes.count)) }
            let store = OneObjectStore(bytes, isRemote: round & 1 == 0, suffixMax: round & 2 == 0 ? 64 : .max)
            do {
                let scan = try store.scan()
                let filter = round & 4 == 0 ? RandomFilter(stages: [[0]], seed: random.next(), percent: 50) : nil
                let source = try ParquetSource(scan, filter: filter)
                var seen = 0
                while seen < 1 << 16, let batch = try source.next() { seen += batch.rows }
            } catch {
                #expect(error.state != .internalError)
            }
        }
    }
}
