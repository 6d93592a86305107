// What the tests of this target share: the fixtures' bucket as a folder, rows of scans as text, scratch folders.

import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage
import Testing

@testable import Iceberg

/// Objects of a bucket that are in a folder.
struct BucketStore: ObjectStore {
    let inner: any ObjectStore = LocalStore()
    let bucket: String
    let folder: String

    private func moved(_ path: ObjectPath) -> ObjectPath {
        path.scheme == .s3 && path.bucket == bucket ? ObjectPath(file: folder + "/" + path.key) : path
    }
    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        inner.read(ranges, of: moved(path), metrics: metrics, then: done)
    }
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        inner.readSuffix(bytesMax, of: moved(path), metrics: metrics, then: done)
    }
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        inner.write(parts, to: moved(path), if: precondition, metrics: metrics, then: done)
    }
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await inner.list(moved(folder), metrics: metrics)
    }
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await inner.listChildren(moved(folder), metrics: metrics)
    }
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(moved(path), metrics: metrics)
    }
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        try await inner.delete(paths.map(moved), metrics: metrics)
    }
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .local }
}

/// The fixtures: those of the package, or a larger set.
enum Lake {
    static let root: String = {
        if let folder = ProcessInfo.processInfo.environment["APUS_ICEBERG_FIXTURES"] { return folder }
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return package.appendingPathComponent("Fixtures/iceberg").path
    }()

    static let format = IcebergFormat(
        stores: BucketStore(bucket: "fixture", folder: root + "/bucket"), warehouse: "s3://fixture/new")

    struct Index: Decodable, Sendable {
        struct Table: Decodable, Sendable {
            var table: String
            var metadata: String
        }
        struct Expected: Decodable, Sendable {
            var file: String
            var table: String
            var ref: Ref
        }
        enum Ref: Decodable, Sendable {
            case snapshot(Int64)
            case named(String)
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let id = try? container.decode(Int64.self) {
                    self = .snapshot(id)
                } else {
                    self = .named(try container.decode(String.self))
                }
            }
        }
        var tables: [Table]
        var expected: [Expected]
    }

    static func index() throws -> Index {
        try JSONDecoder().decode(Index.self, from: Data(contentsOf: URL(fileURLWithPath: root + "/index.json")))
    }

    static func csv(_ file: String) throws -> [[String]] {
        parse(try String(contentsOfFile: root + "/" + file, encoding: .utf8))
    }

    /// Fields in quotes may hold commas, quotes and line ends.
    static func parse(_ text: String) -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var field = ""
        var isQuoted = false
        var characters = Array(text.unicodeScalars)[...]
        while let next = characters.popFirst() {
            if isQuoted {
                if next != "\"" {
                    field.unicodeScalars.append(next)
                } else if characters.first == "\"" {
                    field.append("\"")
                    characters.removeFirst()
                } else {
                    isQuoted = false
                }
            } else {
                switch next {
                case "\"": isQuoted = true
                case ",":
                    row.append(field)
                    field = ""
                case "\r": break
                case "\n":
                    rows.append(row + [field])
                    row = []
                    field = ""
                default: field.unicodeScalars.append(next)
                }
            }
        }
        if !row.isEmpty || !field.isEmpty { rows.append(row + [field]) }
        return rows
    }

    private static func part(_ scalar: Scalar) -> String { scalar.isNull ? "NULL" : text(scalar) }

    /// A value as the expected files write it.
    static func text(_ scalar: Scalar) -> String {
        switch scalar.value {
        case .null: return "\\N"
        case .bool(let flag): return flag ? "true" : "false"
        case .double(let number): return number.isNaN ? "nan" : "\(number)"
        case .bytes(let bytes):
            return bytes.map { byte in
                (32...126).contains(byte) && byte != 92 && byte != 39 && byte != 34
                    ? String(UnicodeScalar(byte))
                    : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16).uppercased()
            }.joined()
        // As DuckDB prints nested values.
        case .array(let items):
            let isMap = if case .map = scalar.type { true } else { false }
            let parts = items.map { item in
                guard isMap, case .row(let entry) = item.value else { return part(item) }
                return entry.map(part).joined(separator: "=")
            }
            return (isMap ? "{" : "[") + parts.joined(separator: ", ") + (isMap ? "}" : "]")
        case .row(let values):
            let names = (scalar.type.rowFields ?? []).map(\.name)
            return "{" + zip(names, values).map { "'\($0)': \(part($1))" }.joined(separator: ", ") + "}"
        default: return scalar.outputText() ?? ""
        }
    }
}

extension Table {
    /// Scans columns by index; each row is one line.
    func lines(
        _ columns: [Int], where domains: [Int: ColumnDomain] = [:], limit: Int? = nil,
        filter: (any BatchFilter)? = nil
    ) async throws -> (lines: [String], report: ScanReport) {
        let plan = try await scan(ScanRequest(columns: columns, domains: domains, limit: limit))
        nonisolated(unsafe) let filter = filter
        let lines = try await onThread { () throws(SQLError) -> [String] in
            var lines: [String] = []
            for task in plan.tasks {
                let source = try task.open(ScanContext(filter: filter))
                while let batch = try source.next() {
                    #expect(batch.columns.count == columns.count)
                    for row in 0..<batch.rows {
                        lines.append(batch.columns.map { Lake.text($0.scalar(row)) }.joined(separator: "|"))
                    }
                }
            }
            return lines
        }
        return (lines.sorted(), plan.report)
    }

    /// All rows, by column names.
    func lines(named names: [String], where domains: [String: ColumnDomain] = [:]) async throws -> [String] {
        let columns = try names.map { name in try #require(schema.index(of: name), "\(name)") }
        var byIndex: [Int: ColumnDomain] = [:]
        for (name, domain) in domains { byIndex[try #require(schema.index(of: name))] = domain }
        return try await lines(columns, where: byIndex).lines
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

/// A folder of its own; gone with the test.
final class Scratch: Sendable {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "iceberg-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
