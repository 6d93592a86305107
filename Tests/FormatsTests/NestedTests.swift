// Structs, lists and maps of any depth: files of other writers, our own read back, and our own read by others.

import Columns
import Diagnostics
import Formats
import Foundation
import Storage
import Testing

@Suite("Nested columns")
struct NestedTests {
    /// The rows of a file as canonical texts, read in batches by our reader.
    private func read(_ path: ObjectPath, _ store: any ObjectStore) throws -> [[String?]] {
        let footer = try ParquetFile.footerBlocking(of: path, in: store)
        let columns = footer.fields.enumerated().map { FileColumn(.file($0), type: $1.type) }
        let source = try ParquetSource(FileScan(footer, in: store, columns: columns))
        var rows: [[String?]] = []
        while let batch = try source.next() {
            for row in 0..<batch.rows { rows.append(batch.columns.map { canonical($0.scalar(row)) }) }
        }
        return rows
    }

    private func compare(_ found: [[String?]], _ wanted: [[String?]], _ name: String) {
        #expect(found.count == wanted.count, "\(name)")
        for (row, (a, b)) in zip(found, wanted).enumerated() where a != b {
            Issue.record("\(name) row \(row): \(a) for \(b)")
            return
        }
    }

    @Test("files of pyarrow and DuckDB give the rows they were made of")
    func foreign() throws {
        let folder =
            ProcessInfo.processInfo.environment["APUS_NESTED_FILES"] ?? Fixture.folder.path + "/nested"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".parquet") }
        #expect(names.count >= 12)
        for name in names.sorted() {
            let path = folder + "/" + name
            let told = URL(fileURLWithPath: path.dropLast("parquet".count) + "json")
            let wanted = try JSONDecoder().decode([[String?]].self, from: try Data(contentsOf: told))
            compare(try read(ObjectPath(file: path), LocalStore()), wanted, name)
        }
    }

    // MARK: - Our own files

    private func randomType(_ maker: inout ValueMaker, _ depth: Int) -> SQLType {
        let leaves: [SQLType] = [
            .boolean, .int2, .int4, .int8, .float8, .text, .bytea, .date, .timestamp, .decimal(precision: 9, scale: 2),
            .decimal(precision: 25, scale: 6),
        ]
        let choice = maker.random.below(depth == 0 ? 2 : 8)
        switch choice {
        case 0, 1: return leaves[maker.random.below(leaves.count)]
        case 2, 3: return .array(randomType(&maker, depth - 1))
        case 4, 5, 6:
            var fields: [StructField] = []
            for index in 0...maker.random.below(3) {
                fields.append(StructField("f\(index)", randomType(&maker, depth - 1)))
            }
            return .row(fields)
        default: return .map(key: [.text, .int4][maker.random.below(2)], value: randomType(&maker, depth - 1))
        }
    }

    private func value(_ type: SQLType, _ maker: inout ValueMaker, sparse: Int, isKey: Bool = false) -> Scalar {
        if !isKey, maker.random.below(100) < sparse { return .null(type) }
        switch type {
        case .array(let element):
            let count = maker.random.below(6)
            return Scalar(type, .array((0..<count).map { _ in value(element, &maker, sparse: sparse) }))
        case .row(let fields): return Scalar(type, .row(fields.map { value($0.type, &maker, sparse: sparse) }))
        case .map(let key, let item):
            let entry = type.element ?? .text
            var seen = Set<Scalar.Value>()
            var entries: [Scalar] = []
            for _ in 0..<maker.random.below(4) {
                let key = value(key, &maker, sparse: sparse, isKey: true)
                guard seen.insert(key.value).inserted else { continue }
                entries.append(Scalar(entry, .row([key, value(item, &maker, sparse: sparse)])))
            }
            return Scalar(type, .array(entries))
        // The ends of the ranges are infinities elsewhere.
        case .date: return Scalar(type, .int(Int64(maker.random.below(40_000)) - 20_000))
        case .timestamp: return Scalar(type, .int(Int64(maker.random.below(1 << 50)) - 1 << 49))
        case .float8: return Scalar(type, .double(Double(maker.random.below(1000)) / 8))
        case .text: return Scalar(type, .string(["", "a", "a longer text than 12 bytes"][maker.random.below(3)]))
        default: return maker.scalar(type)
        }
    }

    private func batches(_ types: [SQLType], _ maker: inout ValueMaker, sparse: Int) -> [Batch] {
        (0..<3).map { part in
            let rows = [700, 1, 300][part]
            let columns = types.map { type in
                let builder = ColumnBuilder(type)
                for _ in 0..<rows { builder.append(value(type, &maker, sparse: sparse)) }
                let column = builder.finish()
                guard part == 2 else { return column }
                // Rows in another order, so that parts do not lie where rows do.
                let numbers = (0..<rows).map { Int32(($0 * 7) % rows) }
                return numbers.withUnsafeBufferPointer { buffer in
                    buffer.baseAddress.map { Gather.take(column, $0, count: rows) } ?? column
                }
            }
            return Batch(columns, rows: rows)
        }
    }

    private func rows(_ batches: [Batch]) -> [[String?]] {
        batches.flatMap { batch in
            (0..<batch.rows).map { row in batch.columns.map { canonical($0.scalar(row)) } }
        }
    }

    private func options(_ seed: Int) -> ParquetOptions {
        var options = ParquetOptions()
        options.codec = ParquetCodec.allCases[seed % ParquetCodec.allCases.count]
        options.pageRowsMax = [20_000, 50][seed % 2]
        options.rowGroupRowsMax = [1 << 20, 400][seed / 2 % 2]
        options.isDurable = false
        return options
    }

    @Test("what is written is read back, here and by pyarrow and DuckDB")
    func roundTrips() throws {
        let folder = try ScratchFolder()
        for seed in 0..<16 {
            var maker = ValueMaker(random: Random(UInt64(seed + 7)), variety: [5, 3000][seed % 2])
            var types = (0..<3).map { _ in randomType(&maker, 4) }
            types.append(.array(.row([StructField("a", .int4), StructField("B c", .array(.text))])))
            let made = batches(types, &maker, sparse: [0, 10, 50, 95][seed % 4])
            let columns = types.enumerated().map { ParquetColumn("c\($0)", $1, id: Int32($0 + 1)) }
            _ = try folder.write(made, columns, options(seed), to: "n\(seed).parquet", threads: 1 + seed % 2)
            let wanted = rows(made)
            compare(try read(folder.file("n\(seed).parquet"), folder.store), wanted, "seed \(seed)")
            try JSONEncoder().encode(wanted).write(to: URL(fileURLWithPath: folder.path + "/n\(seed).json"))
        }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("nested_files.py").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, "check", folder.path]
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus == 77 || process.terminationStatus == 127 {
            print("skipped: pyarrow is not installed (pip install pyarrow duckdb)")
            return
        }
        #expect(process.terminationStatus == 0)
    }

    @Test("one field of a struct reads one leaf, and its statistics prune")
    func oneLeaf() throws {
        let folder = try ScratchFolder()
        let type = SQLType.row([StructField("a", .int4), StructField("b", .row([StructField("c", .text)]))])
        let builder = ColumnBuilder(type)
        for row in 0..<4000 {
            let inner = Scalar(.row([StructField("c", .text)]), .row([.text("text \(row) that makes the leaf long")]))
            builder.append(row % 10 == 3 ? .null(type) : Scalar(type, .row([.int4(Int32(row)), inner])))
        }
        var options = ParquetOptions()
        options.rowGroupRowsMax = 1000
        options.isDurable = false
        let batch = Batch([builder.finish()], rows: 4000)
        _ = try folder.write(
            [
                batch.slice(from: 0, count: 1000), batch.slice(from: 1000, count: 1000),
                batch.slice(from: 2000, count: 2000),
            ],
            [ParquetColumn("s", type)], options)
        let footer = try ParquetFile.footerBlocking(of: folder.file("file.parquet"), in: folder.store)
        let metrics = ScanMetrics()
        let column = FileColumn(.nested(0, .field(0, .named)), type: .int4)
        let domain = ColumnDomain(low: .int4(2500), high: .int4(2501))
        let source = try ParquetSource(
            FileScan(footer, in: folder.store, columns: [column], domains: [0: domain], metrics: metrics))
        var found: [Int32] = []
        while let batch = try source.next() {
            for row in 0..<batch.rows {
                if case .int(let value) = batch.columns[0].scalar(row).value { found.append(Int32(value)) }
            }
        }
        #expect(found.contains(2500) && !found.contains(2503) && !found.contains(1))
        #expect(metrics[.rowGroupsPruned] >= 1)
        let deep = FileColumn(.nested(0, .field(1, .field(0, .named))), type: .text)
        let texts = try ParquetSource(FileScan(footer, in: folder.store, columns: [deep]))
        let first = try #require(try texts.next())
        #expect(first.columns[0].scalar(4).value == .string("text 4 that makes the leaf long"))
        #expect(first.columns[0].scalar(3).isNull)
    }

    @Test("structs are read by the names of their fields, with wider types and missing ones")
    func drift() throws {
        let folder = try ScratchFolder()
        let type = SQLType.array(.row([StructField("a", .int4), StructField("gone", .text)]))
        let wanted = SQLType.array(.row([StructField("new", .text), StructField("A", .int8)]))
        let builder = ColumnBuilder(type)
        let item = Scalar(type.element ?? .text, .row([.int4(5), .text("x")]))
        builder.append(Scalar(type, .array([item, .null(item.type)])))
        _ = try folder.write([Batch([builder.finish()], rows: 1)], [ParquetColumn("l", type)])
        let footer = try ParquetFile.footerBlocking(of: folder.file("file.parquet"), in: folder.store)
        let source = try ParquetSource(
            FileScan(footer, in: folder.store, columns: [FileColumn(.file(0), type: wanted)]))
        let batch = try #require(try source.next())
        #expect(batch.columns[0].scalar(0).outputText() == "{\"(,5)\",NULL}")
    }

    @Test("a NULL where a part must not be one is an error")
    func required() throws {
        let folder = try ScratchFolder()
        let type = SQLType.row([StructField("a", .int4)])
        let builder = ColumnBuilder(type)
        builder.append(Scalar(type, .row([.null(.int4)])))
        let part = ParquetColumn("a", .int4, isNullable: false)
        #expect {
            _ = try folder.write([Batch([builder.finish()], rows: 1)], [ParquetColumn("s", type, parts: [part])])
        } throws: { error in
            (error as? SQLError)?.state == .notNullViolation
        }
    }
}
