// COPY ... TO 'path': what is written is read back, and nothing is seen of what failed.
import Coordinator
import Diagnostics
import Foundation
import Support
import Testing

@Suite struct CopyFileTests {
    private let folder = NSTemporaryDirectory() + "copy-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    private func files(_ path: String) -> [String] {
        let found = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return found.filter { $0.hasSuffix(".parquet") || $0.contains(".csv") || $0.contains(".json") }.sorted()
    }

    private func state(_ session: Session, _ sql: String) async -> String? {
        do throws(SQLError) {
            _ = try await session.rows(sql)
            return nil
        } catch { return error.state.code }
    }

    private static let rows = """
        SELECT i AS id, 'n' || i AS name, i / 4.0 AS price, CASE WHEN i % 3 > 0 THEN DATE '2026-01-01' + i % 60 END AS day,
          i % 2 = 0 AS even, ARRAY[i, NULL, i + 1] AS list, {'a': i, 'b': 'x"' || i} AS s
        FROM generate_series(1, 5000) g(i)
        """

    @Test("Parquet, CSV and JSON files give back what was written, in its order")
    func roundTrips() async throws {
        let session = try await TestLake().session()
        _ = try await session.rows("CREATE TABLE t AS SELECT id, name, price, day, even FROM (\(Self.rows)) x")
        for (name, options) in [
            ("a.parquet", ""), ("b.parquet", "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 1000)"),
            ("c.csv", "(FORMAT csv, HEADER)"), ("d.csv.gz", "(HEADER, DELIMITER '|', NULL 'none')"),
            ("e.json", "(FORMAT json)"), ("f.json.zst", "(FORMAT json, ARRAY true)"),
        ] {
            let path = "\(folder)/\(name)"
            let function = name.contains("parquet") ? "read_parquet" : name.contains("csv") ? "read_csv" : "read_json"
            let nulls = name.hasPrefix("d") ? ", nullstr = 'none', delim = '|'" : ""
            _ = try await session.rows("COPY (SELECT * FROM t ORDER BY id DESC) TO '\(path)' \(options)")
            let expected = try await session.rows("SELECT id, name, price::float8, day, even FROM t ORDER BY id DESC")
            let found = try await session.rows(
                "SELECT id, name, price::float8, day, even FROM \(function)('\(path)'\(nulls))")
            #expect(found == expected, "\(name)")
        }
        #expect(files(folder).count == 6)
    }

    @Test("nested values survive Parquet and JSON")
    func nested() async throws {
        let session = try await TestLake().session()
        _ = try await session.rows("COPY (SELECT id, list, s FROM (\(Self.rows)) x) TO '\(folder)/n.parquet'")
        _ = try await session.rows("COPY (SELECT id, list, s FROM (\(Self.rows)) x) TO '\(folder)/n.json'")
        let expected = try await session.rows("SELECT id, list, s FROM (\(Self.rows)) x ORDER BY id")
        #expect(try await session.rows("SELECT * FROM read_parquet('\(folder)/n.parquet') ORDER BY id") == expected)
        #expect(try await session.rows("SELECT * FROM read_json('\(folder)/n.json') ORDER BY id") == expected)
    }

    @Test("PARTITION_BY writes key=value folders")
    func partitions() async throws {
        let session = try await TestLake().session()
        let root = folder + "/parts"
        let query = "SELECT id, price, day, id % 3 AS k, CASE id % 2 WHEN 0 THEN 'a/b' END AS t FROM (\(Self.rows)) x"
        let copy = "COPY (\(query)) TO '\(root)' (FORMAT parquet, PARTITION_BY (k, t)"
        _ = try await session.rows(copy + ")")
        #expect(
            files(root).prefix(2) == [
                "k=0/t=__HIVE_DEFAULT_PARTITION__/data_0.parquet", "k=0/t=a%2Fb/data_0.parquet",
            ])
        #expect(files(root).count == 6)
        let sums = "SELECT k, t, count(*), sum(id), sum(price::float8), count(day) FROM"
        let expected = try await session.rows("\(sums) (\(query)) q GROUP BY k, t ORDER BY k, t")
        #expect(
            try await session.rows("\(sums) read_parquet('\(root)/**/*.parquet') q GROUP BY k, t ORDER BY k, t")
                == expected)
        #expect(await state(session, copy + ")") == "58P02")
        #expect(await state(session, copy + ", OVERWRITE_OR_IGNORE)") == nil)
        #expect(await state(session, "COPY t TO '\(root)' (PARTITION_BY (k))") == "42P01")
        #expect(await state(session, "COPY (SELECT 1 AS k) TO '\(root)2' (FORMAT csv, PARTITION_BY (k))") == "22023")
        #expect(await state(session, "COPY (SELECT 1 AS k) TO '\(root)2' (FORMAT csv, PARTITION_BY (nope))") == "42703")
    }

    @Test("a query that fails leaves no file")
    func failures() async throws {
        let session = try await TestLake().session()
        for ending in ["parquet", "csv", "json"] {
            let failed = await state(
                session,
                "COPY (SELECT 1 / (4000 - i) AS x FROM generate_series(1, 5000) g(i)) TO '\(folder)/bad.\(ending)'")
            #expect(failed == "22012")
        }
        #expect(files(folder).isEmpty)
        #expect(await state(session, "COPY (SELECT 1) TO '\(folder)/x.csv' (FORMAT csv, COLOUR red)") == "42601")
        #expect(await state(session, "COPY (SELECT 1 AS a, 2 AS a) TO '\(folder)/x.csv'") == "42701")
        #expect(await state(session, "COPY (SELECT 1) TO STDOUT (FORMAT parquet)") == "0A000")
        #expect(files(folder).isEmpty)
    }
}
