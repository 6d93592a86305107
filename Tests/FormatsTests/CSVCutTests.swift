// CSV files cut into parts: whatever stands at the cuts, the records are those of the file read from end to end.

import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Formats

/// The same numbers for the same seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

@Suite("Parts of CSV files")
struct CSVCutTests {
    private struct Row: Hashable, Comparable {
        var line: Int
        var values: [String?]
        static func < (a: Row, b: Row) -> Bool { a.line < b.line }
    }

    private static func info(_ store: OneObjectStore) -> ObjectInfo {
        ObjectInfo(
            path: ObjectPath(file: "/data.csv"), sizeBytes: Int64(store.bytes.count), modified: 0, etag: nil)
    }

    private static func rows(_ reader: CSVReader, width: Int) throws -> [Row] {
        var rows: [Row] = []
        while let records = try reader.next(Array(0..<width), width: width) {
            for row in 0..<records.rows {
                let values = records.columns.map { column -> String? in
                    if case .string(let text) = column.scalar(row).value { text } else { nil }
                }
                rows.append(Row(line: records.lines[row], values: values))
            }
        }
        return rows
    }

    private func whole(_ bytes: [UInt8], _ dialect: CSVDialect, width: Int) throws -> [Row] {
        let store = OneObjectStore(bytes, isRemote: false, suffixMax: 64)
        return try CSVCutTests.rows(
            CSVReader(try TextInput(CSVCutTests.info(store), in: store, packing: .none), dialect), width: width)
    }

    /// The parts in the order given by `order`, each read to its end before the next begins.
    private func parts(
        _ bytes: [UInt8], _ dialect: CSVDialect, width: Int, partBytes: Int64, behindBytes: Int64,
        shuffled random: inout SplitMix
    ) throws -> [Row] {
        let store = OneObjectStore(bytes, isRemote: false, suffixMax: 64)
        let cuts = CSVCuts(CSVCutTests.info(store), in: store, dialect, partBytes: partBytes, behindBytes: behindBytes)
        var rows: [Row] = []
        for number in (0..<cuts.count).shuffled(using: &random) {
            let part = CSVPart(cuts, number, of: CSVCutTests.info(store), in: store, metrics: nil, stop: nil)
            guard let reader = try part.reader(dialect) else { continue }
            rows += try CSVCutTests.rows(reader, width: width)
        }
        return rows.sorted()
    }

    private static func dialect(_ random: inout SplitMix) -> CSVDialect {
        var dialect = CSVDialect()
        switch Int.random(in: 0..<5, using: &random) {
        case 0: dialect.escape = UInt8(ascii: "\\")
        case 1: dialect.delimiter = UInt8(ascii: "\t")
        case 2:
            dialect.quote = UInt8(ascii: "'")
            dialect.escape = UInt8(ascii: "'")
        default: break
        }
        return dialect
    }

    /// A file of three columns with everything that may stand at a cut.
    private static func file(_ dialect: CSVDialect, _ random: inout SplitMix) -> [UInt8] {
        let quote = dialect.quote ?? 34
        let escape = dialect.escape ?? 34
        let end: [UInt8] = [[10], [13, 10], [13]][Int.random(in: 0..<3, using: &random)]
        let pieces: [[UInt8]] = [
            [97], [98, 99], [32], [10], [13, 10], [13], [escape, quote], [escape, quote, escape, quote],
            [dialect.delimiter], Array("ü".utf8), [dialect.delimiter, escape, quote], [escape, quote, 10],
        ]
        var bytes: [UInt8] = Bool.random(using: &random) ? [] : [0xEF, 0xBB, 0xBF]
        for _ in 0..<Int.random(in: 1..<60, using: &random) {
            for column in 0..<3 {
                if column > 0 { bytes.append(dialect.delimiter) }
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes += "x\(Int.random(in: 0..<1000, using: &random))".utf8
                // Quotes inside values that do not begin with one are characters.
                case 1: bytes += [53, quote, 32, quote, quote, 120]
                case 2 where column > 0: break
                default:
                    bytes.append(quote)
                    for _ in 0..<Int.random(in: 0..<9, using: &random) {
                        bytes += pieces.randomElement(using: &random) ?? []
                    }
                    bytes.append(quote)
                    if Int.random(in: 0..<4, using: &random) == 0 { bytes += [32, 32] }
                }
            }
            bytes += end
            if Int.random(in: 0..<6, using: &random) == 0 { bytes += end }
        }
        if Bool.random(using: &random) { bytes.removeLast(end.count) }
        return bytes
    }

    @Test("parts of random files have the records of the whole, in whatever order they are read")
    func random() throws {
        for seed in 1...400 as ClosedRange<UInt64> {
            var random = SplitMix(state: seed)
            let dialect = CSVCutTests.dialect(&random)
            let bytes = CSVCutTests.file(dialect, &random)
            let expected = try whole(bytes, dialect, width: 3).map(\.values)
            let size = Int64.random(in: 1..<90, using: &random)
            let behind = Int64.random(in: 1..<40, using: &random)
            let found = try parts(
                bytes, dialect, width: 3, partBytes: size, behindBytes: behind, shuffled: &random
            ).map(\.values)
            #expect(
                found.count == expected.count && Set(found) == Set(expected),
                "seed \(seed), parts of \(size): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
    }

    @Test("records know their lines")
    func lines() throws {
        var text = "a,b\n"
        for row in 0..<500 { text += "\(row),\"two\nlines, \(row)\"\n" }
        let bytes = Array(text.utf8)
        let expected = try whole(bytes, CSVDialect(), width: 2)
        var random = SplitMix(state: 3)
        for size in [5, 64, 1000] as [Int64] {
            let found = try parts(
                bytes, CSVDialect(), width: 2, partBytes: size, behindBytes: 9, shuffled: &random)
            #expect(found == expected)
        }
        #expect(expected.last?.line == 1000)
    }

    @Test("what the whole file is refused for, one of its parts is")
    func broken() throws {
        for text in ["a,\"b\" c\n1,2\n", "a,b\n1,\"2\n3,4\n5,6\n", "a,b\n1,2,3\n"] {
            let bytes = Array((String(repeating: "x,\"y\n\"\n", count: 40) + text).utf8)
            #expect(throws: SQLError.self) { try whole(bytes, CSVDialect(), width: 2) }
            for size in [3, 50, 111] as [Int64] {
                #expect(throws: SQLError.self) {
                    var random = SplitMix(state: 7)
                    _ = try parts(bytes, CSVDialect(), width: 2, partBytes: size, behindBytes: 5, shuffled: &random)
                }
            }
        }
    }

    @Test("parts read side by side agree")
    func sideBySide() async throws {
        var text = ""
        for row in 0..<20_000 { text += "\(row),\"line \(row)\nand \"\"more\"\"\",z\n" }
        let store = OneObjectStore(Array(text.utf8), isRemote: true, suffixMax: 64)
        let cuts = CSVCuts(CSVCutTests.info(store), in: store, CSVDialect(), partBytes: 10_000, behindBytes: 100)
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in (0..<cuts.count).reversed() {
                group.addTask {
                    let part = CSVPart(cuts, number, of: CSVCutTests.info(store), in: store, metrics: nil, stop: nil)
                    guard let reader = try part.reader(CSVDialect()) else { return 0 }
                    return try CSVCutTests.rows(reader, width: 3).count
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(counts == 20_000)
    }
}
