// Opening fixtures, and a store in memory that counts and can be slow to give more than asked.

import Columns
import Diagnostics
import Formats
import Foundation
import Storage

enum Fixture {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/parquet")

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    static func names(_ sub: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent(sub).path).sorted()
    }
}

/// One object; every answer is a copy of exactly what was asked for, so that reading past it shows.
final class OneObjectStore: ObjectStore {
    let bytes: [UInt8]
    let policy: FetchPolicy
    /// Bytes that a request for the end gives at most.
    let suffixMax: Int

    init(_ bytes: [UInt8], isRemote: Bool = false, suffixMax: Int = .max) {
        self.bytes = bytes
        policy = FetchPolicy(gapBytesMax: isRemote ? 0 : 4096, requestBytesMax: 1 << 20, isEager: isRemote)
        self.suffixMax = suffixMax
    }

    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { policy }

    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        var parts: [Bytes] = []
        for range in ranges {
            guard range.lowerBound >= 0, range.upperBound <= Int64(bytes.count) else {
                return done(.failure(SQLError(.ioError, "range outside the object")))
            }
            metrics?.addRequest(bytesRead: Int64(range.count))
            parts.append(Bytes([UInt8](bytes[Int(range.lowerBound)..<Int(range.upperBound)])))
        }
        done(.success(parts))
    }

    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        let count = min(bytesMax, suffixMax, bytes.count)
        metrics?.addRequest(bytesRead: Int64(count))
        let info = ObjectInfo(path: path, sizeBytes: Int64(bytes.count), modified: 0, etag: nil)
        done(.success((Bytes([UInt8](bytes.suffix(count))), info)))
    }

    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) { done(.failure(SQLError(.featureNotSupported, "read only"))) }

    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] { [] }

    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) { ([], []) }

    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        ObjectInfo(path: path, sizeBytes: Int64(bytes.count), modified: 0, etag: nil)
    }

    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {}
}

extension OneObjectStore {
    static let path = ObjectPath(file: "/lake/file.parquet")

    func footer() throws(SQLError) -> FileFooter { try ParquetFile.footerBlocking(of: OneObjectStore.path, in: self) }

    /// A scan of all columns that can be read, and the row number.
    func scan(domains: [String: ColumnDomain] = [:], metrics: ScanMetrics = ScanMetrics()) throws(SQLError) -> FileScan
    {
        let footer = try footer()
        var columns: [FileColumn] = []
        var byColumn: [Int: ColumnDomain] = [:]
        for (index, field) in footer.fields.enumerated() where field.unsupported == nil {
            byColumn[columns.count] = domains[field.name]
            columns.append(FileColumn(.file(index), type: field.type))
        }
        columns.append(FileColumn(.rowNumber, type: .int8))
        return FileScan(footer, in: self, columns: columns, domains: byColumn, metrics: metrics)
    }
}

/// All rows of a scan as text.
func rows(_ scan: FileScan, filter: (any BatchFilter)? = nil) throws(SQLError) -> [[String]] {
    let source = try ParquetSource(scan, filter: filter)
    try source.open()
    var result: [[String]] = []
    while let batch = try source.next() {
        precondition(batch.rows > 0 && batch.rows <= Batch.rowsMax)
        for row in 0..<batch.rows {
            var record: [String] = []
            for column in batch.columns {
                precondition(column.count == batch.rows)
                record.append(rendered(column.scalar(row)))
            }
            result.append(record)
        }
    }
    return result
}

/// A repeatable sequence.
struct Random {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
}

/// Lets random rows pass, in two stages.
final class RandomFilter: BatchFilter {
    let stages: [[Int]]
    private var random: Random
    private let percent: Int

    init(stages: [[Int]], seed: UInt64, percent: Int) {
        self.stages = stages
        random = Random(seed)
        self.percent = percent
    }

    func select(stage: Int, _ columns: [Column?], rows: Int) throws(SQLError) -> Selection? {
        for column in stages[stage] { precondition(columns[column]?.count == rows) }
        if random.below(6) == 0 { return nil }
        let buffer = Buffer(count: rows, of: Int32.self)
        var count = 0
        for row in 0..<rows where random.below(100) < percent {
            buffer.pointer(Int32.self)[count] = Int32(row)
            count += 1
        }
        return Selection(buffer, count: count)
    }
}
