// Files that the writer makes, read back by our reader.

import Columns
import Diagnostics
import Formats
import Foundation
import Storage
import Testing

@Suite("Writing Parquet files")
struct WriterTests {
    /// Options that differ in all that changes the bytes.
    private func options(_ seed: Int) -> ParquetOptions {
        var options = ParquetOptions()
        options.codec = ParquetCodec.allCases[seed % ParquetCodec.allCases.count]
        options.pageRowsMax = [20_000, 100, 1_111, 64][seed % 4]
        options.pageBytesMax = [1 << 20, 5_000][seed / 2 % 2]
        options.rowGroupRowsMax = [1 << 20, 7_000, 3_000][seed % 3]
        options.dictionaryBytesMax = [1 << 20, 2_000, 0][seed / 3 % 3]
        options.usesDifferences = seed % 5 != 1
        options.isDurable = false
        return options
    }

    @Test("random rows of every type come back", arguments: 0..<12)
    func roundTrip(seed: Int) throws {
        let folder = try ScratchFolder()
        var maker = ValueMaker(random: Random(UInt64(seed + 1)), variety: [5, 300, 20_000, 1_000_000][seed % 4])
        var columns: [ParquetColumn] = []
        for (index, type) in writtenTypes.enumerated() {
            columns.append(
                ParquetColumn(
                    "c\(index)", type, isNullable: index % 5 != 4, id: Int32(index + 1), hasBloomFilter: seed % 3 == 0,
                    hasDictionary: seed % 7 != 3))
        }
        var batches: [Batch] = []
        let nullPercents = [0, 3, 50, 100]
        for _ in 0..<4 {
            let rows = [2048, 1, 777, 2047][maker.random.below(4)]
            let nulls = nullPercents[maker.random.below(4)]
            batches.append(
                Batch(
                    columns.map { randomColumn($0.type, rows: rows, nullPercent: $0.isNullable ? nulls : 0, &maker) },
                    rows: rows))
        }
        let file = try folder.write(batches, columns, options(seed), threads: seed % 2 == 0 ? 1 : 3)
        let found = try folder.read()
        var at = 0
        for batch in batches {
            for row in 0..<batch.rows {
                for (index, column) in batch.columns.enumerated() {
                    let (wanted, got) = (canonical(column.scalar(row)), canonical(found[at][index]))
                    guard wanted == got else {
                        Issue.record("row \(at) of \(columns[index].type): \(got ?? "-") for \(wanted ?? "-")")
                        return
                    }
                }
                at += 1
            }
        }
        #expect(found.count == at && file.rows == Int64(at))
        try check(file, batches, columns, folder)
    }

    /// What the file says of its columns must hold for their values.
    private func check(
        _ file: WrittenFile, _ batches: [Batch], _ columns: [ParquetColumn], _ folder: ScratchFolder
    ) throws {
        let footer = try ParquetFile.footerBlocking(of: file.info.path, in: folder.store)
        #expect(footer.fields.map(\.id) == columns.map(\.id))
        #expect(footer.fields.map(\.isNullable) == columns.map(\.isNullable))
        #expect(footer.createdBy?.hasPrefix("apus version") == true)
        #expect(file.splitOffsets.count == footer.rowGroups.count && file.splitOffsets.first == 4)
        #expect(file.splitOffsets == file.splitOffsets.sorted())
        for (index, column) in file.columns.enumerated() {
            let values = batches.flatMap { batch in (0..<batch.rows).map { batch.columns[index].scalar($0) } }
            #expect(column.valueCount == Int64(values.count))
            #expect(column.nullCount == Int64(values.count { $0.isNull }))
            var nans = 0
            for value in values where !value.isNull {
                if case .double(let number) = value.value, number.isNaN {
                    nans += 1
                    continue
                }
                if let lower = column.lower, let order = Scalar.compare(lower, value) { #expect(order <= 0) }
                if let upper = column.upper, let order = Scalar.compare(upper, value) { #expect(order >= 0) }
            }
            #expect(column.nanCount == (column.type.isFloat ? Int64(nans) : nil))
            let hasValues = values.contains { !$0.isNull } && column.nullCount + Int64(nans) < column.valueCount
            #expect((column.lower != nil) == (hasValues && column.type != .interval), "\(column)")
            #expect(column.compressedBytes > 0 && column.uncompressedBytes > 0)
            let parts = footer.rowGroups.indices.map { footer.statistics(rowGroup: $0, column: index) }
            #expect(parts.reduce(0) { $0 + ($1.nullCount ?? -1) } == column.nullCount)
        }
    }

    @Test("a file without rows is a file")
    func empty() throws {
        let folder = try ScratchFolder()
        let file = try folder.write([], [ParquetColumn("a", .int4), ParquetColumn("b", .text, isNullable: false)])
        #expect(file.rows == 0 && file.splitOffsets.isEmpty)
        #expect(file.columns.allSatisfy { $0.valueCount == 0 && $0.lower == nil })
        #expect(try folder.read().isEmpty)
    }

    @Test("long strings come back, and their bounds are short")
    func longStrings() throws {
        let folder = try ScratchFolder()
        let long = String(repeating: "ä", count: 5 << 20)
        let values = ["", long, long + "b", String(repeating: "\u{10ffff}", count: 40), "z"]
        let builder = ColumnBuilder(.text)
        for value in values { builder.append(value) }
        builder.appendNull()
        for hasDictionary in [true, false] {
            let column = ParquetColumn("t", .text, id: 1, hasDictionary: hasDictionary)
            let file = try folder.write([Batch([builder.finish()], rows: 6)], [column])
            #expect(try folder.read().map { $0[0] } == values.map { .text($0) } + [.null(.text)])
            #expect(file.columns[0].lower == .text("") && file.columns[0].isLowerExact)
            // Forty of the last character cannot be raised: the bound is whole.
            #expect(file.columns[0].upper == .text(values[3]) && file.columns[0].isUpperExact)
            let two = ColumnBuilder(.text)
            two.append(long)
            let other = try folder.write([Batch([two.finish()], rows: 1)], [column], to: "two.parquet")
            #expect(other.columns[0].lower == .text(String(repeating: "ä", count: 32)))
            #expect(other.columns[0].upper == .text(String(repeating: "ä", count: 31) + "å"))
            #expect(!other.columns[0].isLowerExact && !other.columns[0].isUpperExact)
        }
    }

    @Test("zeros of both signs and NaN widen the bounds as readers expect")
    func floats() throws {
        let folder = try ScratchFolder()
        func file(_ values: [Double]) throws -> WrittenColumn {
            let builder = ColumnBuilder(.float8)
            for value in values { builder.append(value) }
            return try folder.write([Batch([builder.finish()], rows: values.count)], [ParquetColumn("f", .float8)])
                .columns[0]
        }
        let zeros = try file([0, .nan])
        guard case .double(let low) = zeros.lower?.value, case .double(let high) = zeros.upper?.value else {
            Issue.record("no bounds")
            return
        }
        #expect(low.sign == .minus && low == 0 && high.sign == .plus && high == 0)
        #expect(zeros.nanCount == 1)
        let nothing = try file([.nan, .nan])
        #expect(nothing.lower == nil && nothing.nanCount == 2)
    }

    @Test("numerics are rounded to the column, or refused")
    func numerics() throws {
        let folder = try ScratchFolder()
        for precision in [5, 12, 30] {
            let builder = ColumnBuilder(.numeric)
            for (mantissa, scale) in [(12_345, 3), (5, 0), (-12_345, 4), (5, 3)] as [(Int128, Int)] {
                builder.append(Numeric(mantissa, scale: scale))
            }
            builder.appendNull()
            let column = ParquetColumn("n", .decimal(precision: precision, scale: 2))
            _ = try folder.write([Batch([builder.finish()], rows: 5)], [column])
            #expect(try folder.read().map { canonical($0[0]) } == ["1235", "500", "-123", "1", nil])
        }
        for value in [Numeric(1000, scale: 0), .nan, .infinity, Numeric(999_995, scale: 3)] {
            let builder = ColumnBuilder(.numeric)
            builder.append(value)
            let batch = Batch([builder.finish()], rows: 1)
            #expect(throws: SQLError.self) {
                try folder.write([batch], [ParquetColumn("n", .decimal(precision: 5, scale: 2))], to: "bad.parquet")
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file.parquet"])
    }

    @Test("what a file cannot hold is an error, and leaves nothing")
    func refusals() throws {
        let folder = try ScratchFolder()
        let null = Batch([Column.constant(.null(.int4), count: 3)], rows: 3)
        let required = [ParquetColumn("a", .int4, isNullable: false)]
        for threads in [1, 2] {
            let error = #expect(throws: SQLError.self) { try folder.write([null], required, threads: threads) }
            #expect(error?.state == .notNullViolation)
        }
        for type in [.numeric, .array(.numeric), .row([])] as [SQLType] {
            let error = #expect(throws: SQLError.self) { try folder.write([], [ParquetColumn("a", type)]) }
            #expect(error?.state == .featureNotSupported)
        }
        let interval = Column.constant(Scalar(.interval, .interval(Interval(microseconds: 1))), count: 1)
        #expect(throws: SQLError.self) {
            try folder.write([Batch([interval], rows: 1)], [ParquetColumn("i", .interval)])
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        let writer = try ParquetWriter(required, to: folder.file("x.parquet"), in: folder.store)
        writer.abort()
        #expect(throws: SQLError.self) { try writer.finish() }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test("lanes of several threads make one file")
    func lanes() throws {
        let folder = try ScratchFolder()
        var options = ParquetOptions()
        options.rowGroupRowsMax = 5_000
        let columns = [ParquetColumn("a", .int8)]
        let writer = try ParquetWriter(columns, to: folder.file("lanes.parquet"), in: folder.store, options: options)
        let group = DispatchGroup()
        for number in 0..<4 {
            nonisolated(unsafe) let lane = writer.lane()
            group.enter()
            Thread {
                for part in 0..<10 {
                    let builder = ColumnBuilder(.int8)
                    for row in 0..<1000 { builder.append(Int64(number * 10_000 + part * 1000 + row)) }
                    try? lane.push(Batch([builder.finish()], rows: 1000))
                }
                try? lane.finish()
                group.leave()
            }.start()
        }
        group.wait()
        let file = try writer.finish(if: .ifAbsent)
        #expect(file.rows == 40_000 && file.splitOffsets.count == 8)
        let numbers = try folder.read("lanes.parquet").compactMap { row -> Int64? in
            if case .int(let number) = row[0].value { number } else { nil }
        }
        #expect(numbers.sorted() == Array(0..<40_000))
        let again = try ParquetWriter(columns, to: folder.file("lanes.parquet"), in: folder.store)
        let error = #expect(throws: SQLError.self) { try again.finish(if: .ifAbsent) }
        #expect(error?.state == .duplicateFile)
    }

    @Test("scans skip row groups and pages of written files")
    func pruning() throws {
        let folder = try ScratchFolder()
        let columns = [
            ParquetColumn("id", .int8, isNullable: false), ParquetColumn("name", .text, hasBloomFilter: true),
            ParquetColumn("part", .int4, hasBloomFilter: true),
        ]
        var options = ParquetOptions()
        options.rowGroupRowsMax = 8 * 2048
        options.pageRowsMax = 1000
        let total = 64 * 1024
        var batches: [Batch] = []
        for start in stride(from: 0, to: total, by: 2048) {
            let (ids, names, parts) = (ColumnBuilder(.int8), ColumnBuilder(.text), ColumnBuilder(.int4))
            for row in start..<start + 2048 {
                ids.append(Int64(row))
                names.append("name \(row &* 7919 % total)")
                parts.append(Int32(row % 50 * 2))
            }
            batches.append(Batch([ids.finish(), names.finish(), parts.finish()], rows: 2048))
        }
        _ = try folder.write(batches, columns, options)
        let groups = ScanMetrics()
        let domain = ColumnDomain(low: .int8(20_000), high: .int8(20_100))
        let found = try folder.read(domains: [0: domain], metrics: groups)
        #expect(groups[.rowGroupsPruned] == 3 && groups[.pagesPruned] > 5)
        let ids = Set(found.map { canonical($0[0]) })
        for id in 20_000...20_100 { #expect(ids.contains("\(id)")) }
        #expect(found.count < 3000)
        for (name, isThere) in [("name 12345", true), ("name 12345x", false)] {
            let metrics = ScanMetrics()
            let rows = try folder.read(domains: [1: .equal(.text(name))], metrics: metrics)
            #expect(rows.contains { $0[1] == .text(name) } == isThere)
            #expect(metrics[.rowGroupsPruned] == (isThere ? 3 : 4))
        }
        for (part, isThere) in [(Int32(48), true), (47, false)] {
            let metrics = ScanMetrics()
            let rows = try folder.read(domains: [2: .equal(.int4(part))], metrics: metrics)
            #expect(rows.isEmpty != isThere)
            #expect(metrics[.rowGroupsPruned] == (isThere ? 0 : 4))
        }
    }
}
