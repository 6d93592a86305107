// Files that the writer makes, read by pyarrow and DuckDB where they are installed.

import Columns
import Diagnostics
import Formats
import Foundation
import Testing

@Suite("Written Parquet files elsewhere")
struct WriterForeignTests {
    private struct Told: Encodable {
        var types: [String]
        var rows: [[String?]]
    }

    @Test("pyarrow and DuckDB read what was written, and believe its statistics")
    func readers() throws {
        let folder = try ScratchFolder()
        for seed in 0..<10 {
            var maker = ValueMaker(random: Random(UInt64(seed + 100)), variety: [5, 300, 20_000, 1_000_000][seed % 4])
            var options = ParquetOptions()
            options.codec = ParquetCodec.allCases[seed % ParquetCodec.allCases.count]
            options.pageRowsMax = [20_000, 100, 1_111][seed % 3]
            options.rowGroupRowsMax = [1 << 20, 1_500][seed % 2]
            options.dictionaryBytesMax = [1 << 20, 2_000][seed / 2 % 2]
            options.isDurable = false
            let columns = writtenTypes.enumerated().map { index, type in
                ParquetColumn(
                    "c\(index)", type, isNullable: index % 5 != 4, id: Int32(index + 1), hasBloomFilter: seed % 2 == 0)
            }
            var batches: [Batch] = []
            for part in 0..<4 {
                let nulls = [0, 5, 60, 100][(seed + part) % 4]
                let made = columns.map {
                    randomColumn($0.type, rows: 900, nullPercent: $0.isNullable ? nulls : 0, &maker)
                }
                batches.append(Batch(made, rows: 900))
            }
            if seed == 9 { batches = [] }
            _ = try folder.write(batches, columns, options, to: "f\(seed).parquet")
            let rows = batches.flatMap { batch in
                (0..<batch.rows).map { row in batch.columns.map { canonical($0.scalar(row)) } }
            }
            let told = Told(types: writtenTypes.map(\.name), rows: rows)
            try JSONEncoder().encode(told).write(to: URL(fileURLWithPath: folder.path + "/f\(seed).json"))
        }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("check_written.py").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, folder.path]
        try process.run()
        process.waitUntilExit()
        if process.terminationStatus == 77 || process.terminationStatus == 127 {
            print("skipped: pyarrow is not installed (pip install pyarrow duckdb)")
            return
        }
        #expect(process.terminationStatus == 0)
    }
}
