// COPY ... TO on S3, and CSV and JSON files there: nothing is seen before all is written, and what fails while files appear
// leaves none of them.
import Coordinator
import Diagnostics
import Foundation
import S3Support
import Storage
import Support
import Synchronization
import Testing

/// Local files whose writes fail from some number on.
private final class FailingWrites: ObjectStore {
    private let inner = LocalStore()
    let writes = Atomic<Int>(0)
    let failsFrom = Atomic<Int>(.max)
    let deletesFail = Atomic<Bool>(false)

    func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) { inner.read(ranges, of: path, metrics: metrics, then: done) }
    func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) { inner.readSuffix(bytesMax, of: path, metrics: metrics, then: done) }
    func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        let number = writes.add(1, ordering: .relaxed).newValue
        guard number >= failsFrom.load(ordering: .relaxed) else {
            return inner.write(parts, to: path, if: precondition, metrics: metrics, then: done)
        }
        let error = SQLError(.ioError, "could not write \"\(path)\": no answer")
        // Every other one is written all the same: only the answer is lost.
        guard number % 2 == 0 else { return done(.failure(error)) }
        inner.write(parts, to: path, if: precondition, metrics: metrics) { _ in done(.failure(error)) }
    }
    func list(_ folder: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> [ObjectInfo] {
        try await inner.list(folder, metrics: metrics)
    }
    func listChildren(
        _ folder: ObjectPath, metrics: StoreMetrics?
    ) async throws(SQLError) -> (folders: [ObjectPath], objects: [ObjectInfo]) {
        try await inner.listChildren(folder, metrics: metrics)
    }
    func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await inner.head(path, metrics: metrics)
    }
    func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        if deletesFail.load(ordering: .relaxed) { throw SQLError(.ioError, "no answer") }
        try await inner.delete(paths, metrics: metrics)
    }
    func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .local }
}

@Suite struct FailingExportTests {
    private let folder = NSTemporaryDirectory() + "export-\(UUID().uuidString)"
    private static let copy = "COPY (SELECT i AS id, i % 40 AS k FROM generate_series(1, 2000) g(i)) TO"

    private func files(_ path: String) -> [String] {
        (FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []).filter {
            $0.contains("data_")
        }
    }

    private func error(_ session: Session, _ sql: String) async -> SQLError? {
        do throws(SQLError) {
            _ = try await session.rows(sql)
            return nil
        } catch { return error }
    }

    @Test("of files that fail to appear none is left", arguments: ["parquet", "csv", "json"])
    func noneIsLeft(_ format: String) async throws {
        let store = FailingWrites()
        let session = try await TestLake(store: store).session()
        for failsFrom in [1, 2, 20, 40] {
            store.writes.store(0, ordering: .relaxed)
            store.failsFrom.store(failsFrom, ordering: .relaxed)
            let root = "\(folder)/\(format)\(failsFrom)"
            let copy = "\(Self.copy) '\(root)' (FORMAT \(format), PARTITION_BY (k))"
            let failed = await error(session, copy)
            #expect(failed?.state == .ioError && failed?.message.contains("no answer") == true)
            #expect(failed?.detail == nil)
            #expect(files(root).isEmpty, "\(failsFrom)")
            // The folder is as good as new.
            store.failsFrom.store(.max, ordering: .relaxed)
            #expect(await error(session, copy) == nil)
            #expect(files(root).count == 40)
        }
    }

    @Test("what cannot be removed is told, and so are files that were replaced")
    func told() async throws {
        let store = FailingWrites()
        let session = try await TestLake(store: store).session()
        store.failsFrom.store(25, ordering: .relaxed)
        store.deletesFail.store(true, ordering: .relaxed)
        let copy = "\(Self.copy) '\(folder)/a' (FORMAT csv, PARTITION_BY (k)"
        let left = await error(session, copy + ")")
        #expect(left?.detail?.contains("could not be removed: \"\(folder)/a/k=") == true)
        #expect(left?.detail?.contains("of 40 are not there") == true)
        #expect(files(folder + "/a").count >= 24)
        store.deletesFail.store(false, ordering: .relaxed)
        store.failsFrom.store(.max, ordering: .relaxed)
        #expect(await error(session, copy + ", OVERWRITE_OR_IGNORE)") == nil)
        store.writes.store(0, ordering: .relaxed)
        store.failsFrom.store(30, ordering: .relaxed)
        let replaced = await error(session, copy + ", OVERWRITE_OR_IGNORE)")
        #expect(replaced?.detail?.contains("replaced earlier files and stay") == true)
        #expect(files(folder + "/a").count == 40)
    }

    @Test("append leaves what is there")
    func append() async throws {
        let session = try await TestLake().session()
        let copy = "\(Self.copy) '\(folder)/b' (FORMAT parquet, PARTITION_BY (k), APPEND)"
        for _ in 0..<3 { #expect(await error(session, copy) == nil) }
        #expect(files(folder + "/b").count == 120)
        #expect(
            try await session.rows("SELECT count(*), sum(id) FROM read_parquet('\(folder)/b/**/*.parquet')")
                == [["6000", "6003000"]])
    }
}

@Suite(.enabled(if: MotoServer.shared != nil), .serialized)
struct S3ExportTests {
    private let bucket = "export"
    private let root = "s3://export/\(UUID().uuidString)"

    private func lake() async throws -> TestLake {
        let moto = try #require(MotoServer.shared)
        moto.makeBucket(bucket)
        return try await TestLake(
            store: Stores(s3: S3Configuration(endpoint: moto.endpoint, accessKey: "key", secretKey: "secret")))
    }

    private static let rows = """
        SELECT i AS id, 'n"' || i AS name, DATE '2026-01-01' + i % 60 AS day, i % 7 AS k, 'a/' || i % 2 AS t
        FROM generate_series(1, 3000) g(i)
        """

    @Test("files of all formats, alone and in folders of keys, give back what was written")
    func roundTrips() async throws {
        let session = try await lake().session()
        let sums = "SELECT count(*), sum(id), min(name), max(day), sum(k), count(DISTINCT t) FROM"
        let expected = try await session.rows("\(sums) (\(Self.rows)) x")
        for (format, ending, function) in [
            ("parquet", "", "read_parquet"), ("csv", ".gz", "read_csv"), ("json", "", "read_json"),
        ] {
            let options = "FORMAT \(format)" + (format == "csv" ? ", HEADER" : "")
            let file = "\(root)/one.\(format)\(ending)"
            _ = try await session.rows("COPY (\(Self.rows)) TO '\(file)' (\(options))")
            #expect(try await session.rows("\(sums) \(function)('\(file)') x") == expected, "\(format)")
            let folder = "\(root)/\(format)"
            _ = try await session.rows("COPY (\(Self.rows)) TO '\(folder)' (\(options), PARTITION_BY (k, t))")
            let read = "\(function)('\(folder)/**/*.\(format)', hive_partitioning = true)"
            #expect(try await session.rows("\(sums) \(read) x") == expected, "\(format)")
            _ = try await session.rows("DROP TABLE IF EXISTS e")
            _ = try await session.rows("CREATE EXTERNAL TABLE e STORED AS \(format) LOCATION '\(folder)/'")
            #expect(try await session.rows("\(sums) e") == expected, "\(format)")
            let day = "WHERE k = 3 AND t = 'a/1' AND day = DATE '2026-01-11'"
            #expect(
                try await session.rows("\(sums) e \(day)") == session.rows("\(sums) (\(Self.rows)) x \(day)"))
        }
    }

    @Test("a large file goes in parts, and one whose query fails leaves nothing, also of its parts")
    func parts() async throws {
        let moto = try #require(MotoServer.shared)
        let lake = try await lake()
        let session = try await lake.session()
        let rows = "SELECT i AS id, repeat('x', 900) || i AS text FROM generate_series(1, 20000) g(i)"
        _ = try await session.rows("COPY (\(rows)) TO '\(root)/large.csv' (FORMAT csv, HEADER)")
        #expect(
            try await session.rows("SELECT count(*), sum(id), sum(length(text)) FROM read_csv('\(root)/large.csv')")
                == session.rows("SELECT count(*), sum(id), sum(length(text)) FROM (\(rows)) x"))
        let failing = "SELECT 1 / (19999 - i) AS id, repeat('x', 900) AS text FROM generate_series(1, 20000) g(i)"
        for target in ["bad.csv", "bad.parquet"] {
            await #expect(throws: SQLError.self) {
                _ = try await session.rows("COPY (\(failing)) TO '\(root)/\(target)'")
            }
        }
        let store = S3Store(S3Configuration(endpoint: moto.endpoint, accessKey: "key", secretKey: "secret"))
        let names = try await store.list(ObjectPath(root)).map(\.path.name)
        #expect(names == ["large.csv"])
    }
}
