// What the tests of this target share: a store that counts, rows of a scan, and the fixtures.

import Catalogs
import Columns
import Diagnostics
import Formats
import Foundation
import Hive
import Storage
import Synchronization
import Testing

/// Remembers what was listed and read; passes everything on.
final class CountingStore: ObjectStore {
    struct Seen: Sendable {
        var lists: [String] = []
        var reads: [String] = []
    }
    private let inner: any ObjectStore
    private let isEager: Bool
    private let log = Mutex(Seen())

    /// `isEager`: as if requests took long.
    init(_ inner: any ObjectStore = LocalStore(), isEager: Bool = false) {
        self.inner = inner
        self.isEager = isEager
    }

    var seen: Seen { log.withLock { $0 } }
    func forget() { log.withLock { $0 = Seen() } }
    private func read(_ path: ObjectPath) { log.withLock { $0.reads.append(path.text) } }
    private func listed(_ path: ObjectPath) { log.withLock { $0.lists.append(path.text) } }

    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        read(path)
        inner.read(ranges, of: path, metrics: metrics, then: done)
    }
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        read(path)
        inner.readSuffix(bytesMax, of: path, metrics: metrics, then: done)
    }
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        inner.write(parts, to: path, if: precondition, metrics: metrics, then: done)
    }
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        listed(folder)
        return try await inner.list(folder, metrics: metrics)
    }
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        listed(folder)
        return try await inner.listChildren(folder, metrics: metrics)
    }
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(path, metrics: metrics)
    }
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        try await inner.delete(paths, metrics: metrics)
    }
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { isEager ? .remote : inner.fetchPolicy(for: path) }
}

/// A folder of Fixtures/.
func fixture(_ name: String, file: String = #filePath) -> String {
    let root = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return root.appendingPathComponent("Fixtures").appendingPathComponent(name).path
}

/// What a scan gave.
struct Scanned: Sendable {
    var rows: [[String]]
    var tasks: Int
    var report: ScanReport
    var metrics: ScanMetrics

    /// The rows as sorted lines.
    var lines: [String] { rows.map { $0.joined(separator: "|") }.sorted() }
}

/// Keeps rows of one column that equal a number.
private final class EqualFilter: BatchFilter {
    let column: Int
    let value: Scalar
    var stages: [[Int]] { [[column]] }
    init(_ column: Int, _ value: Scalar) {
        self.column = column
        self.value = value
    }
    func select(stage: Int, _ columns: [Column?], rows: Int) throws(SQLError) -> Selection? {
        guard let column = columns[column] else { return nil }
        let passed = (0..<rows).filter { Scalar.compare(column.scalar($0), value) == 0 }
        let buffer = Buffer(count: passed.count, of: Int32.self)
        for (index, row) in passed.enumerated() { buffer.pointer(Int32.self)[index] = Int32(row) }
        return Selection(buffer, count: passed.count)
    }
}

extension Table {
    /// Scans columns by name.
    func rows(
        _ names: [String], where domains: [String: ColumnDomain] = [:], limit: Int? = nil,
        filter: (name: String, value: Scalar)? = nil, found: (@Sendable () -> [Int: ColumnDomain])? = nil
    ) async throws -> Scanned {
        let columns = try names.map { name in try #require(schema.index(of: name), "\(name)") }
        var byIndex: [Int: ColumnDomain] = [:]
        for (name, domain) in domains { byIndex[try #require(schema.index(of: name))] = domain }
        let plan = try await scan(ScanRequest(columns: columns, domains: byIndex, limit: limit))
        let metrics = ScanMetrics()
        let place = filter.flatMap { filter in names.firstIndex(of: filter.name) }
        let rows: Result<[[String]], any Error> = await withCheckedContinuation { continuation in
            Thread {
                continuation.resume(
                    returning: Result {
                        var rows: [[String]] = []
                        for task in plan.tasks {
                            var context = ScanContext(dynamicDomains: found, metrics: metrics)
                            if let filter, let place { context.filter = EqualFilter(place, filter.value) }
                            let source = try task.open(context)
                            while let batch = try source.next() {
                                #expect(batch.columns.count == columns.count)
                                for row in 0..<batch.rows { rows.append(batch.columns.map { text($0.scalar(row)) }) }
                            }
                        }
                        return rows
                    })
            }.start()
        }
        return Scanned(rows: try rows.get(), tasks: plan.tasks.count, report: plan.report, metrics: metrics)
    }

    var types: [String] { schema.fields.map { "\($0.name) \($0.type.name)" } }
}

func text(_ scalar: Scalar) -> String {
    switch scalar.value {
    case .null: "NULL"
    case .int(let number): "\(number)"
    case .double(let number): "\(number)"
    case .string(let text): text
    case .bool(let flag): "\(flag)"
    default: "\(scalar.value)"
    }
}

/// The error that `body` throws, or nil.
func errorOf<T>(_ body: () async throws -> T) async -> SQLError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? SQLError
    }
}

extension HiveFormat {
    func open(
        _ location: String, columns: [Field] = [], keys: [Field] = [], options: [String: String] = [:]
    ) async throws -> any Table {
        let definition = ExternalDefinition(
            format: "parquet", location: location, columns: columns, partitionColumns: keys, options: options)
        return try await open(definition, named: TableName(schema: "public", name: "t"))
    }
}

/// Builds a folder of copies of fixtures; gone with the test.
final class Scratch {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "hive-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func copy(_ source: String, to name: String) throws {
        let target = URL(fileURLWithPath: path).appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: source, toPath: target.path)
    }
}
