// Columns that `*` does not list: which file a row comes from.
import Diagnostics
import Foundation
import Iceberg
import Storage
import Support
import Testing

@Suite struct HiddenColumnTests {
    @Test("files tell their name, size and age to those who ask")
    func files() async throws {
        let folder = NSTemporaryDirectory() + "hidden-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for day in 1...2 {
            let place = folder + "/t/day=\(day)"
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                atPath: TestLake.root + "/Fixtures/lake/shop/orders/year=2025/month=12/day=28/part-0.parquet",
                toPath: place + "/a.parquet")
        }
        let lake = try await TestLake()
        let session = try await lake.session()
        _ = try await session.rows("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '\(folder)/t'")
        let shown = try await session.rows("SELECT * FROM t LIMIT 1")
        let wide = try await session.rows("SELECT *, filename FROM t LIMIT 1")
        #expect(wide.first?.count == (shown.first?.count ?? 0) + 1)
        let size = try FileManager.default.attributesOfItem(atPath: folder + "/t/day=1/a.parquet")[.size] as? Int ?? 0
        let rows = try await session.rows(
            """
            SELECT DISTINCT filename, "$path" = filename, "$file_size", "$file_modified_time" > now() - interval '1 hour'
            FROM t WHERE day = 1
            """)
        #expect(rows == [["\(folder)/t/day=1/a.parquet", "t", "\(size)", "t"]])
        let plan = try await session.rows("EXPLAIN ANALYZE SELECT count(*) FROM t WHERE filename LIKE '%day=2%'")
        #expect(plan.contains { $0[0]?.contains("2 considered, 1 pruned by partition") == true }, "\(plan)")
        // Names of the query's own come first.
        #expect(
            try await session.rows(
                "SELECT f FROM (SELECT 1 AS filename) q, LATERAL (SELECT filename AS f FROM t LIMIT 1) l") == [["1"]])
        #expect(
            try await session.rows("SELECT day % 1 AS filename, count(*) > 0 FROM t GROUP BY filename") == [["0", "t"]])
        #expect(
            try await session.rows("SELECT count(*) FROM t a NATURAL JOIN (SELECT 1 AS filename, 2 AS day) b")[0][0]
                != nil)
        #expect(
            try await session.rows(
                "SELECT DISTINCT filename LIKE '%/a.parquet' FROM read_parquet('\(folder)/t/*/*.parquet')") == [["t"]])
    }

    @Test("rows of v3 tables keep their ids when they move to other files")
    func lineage() async throws {
        let house = try await UpkeepTests.FileLake()
        let session = try await house.lake.session()
        _ = try await session.rows("CREATE TABLE t (id int, _pos int) WITH (\"format-version\" = '3')")
        _ = try await session.rows("INSERT INTO t SELECT i, -i FROM generate_series(1, 4) g (i)")
        _ = try await session.rows("INSERT INTO t VALUES (5, -5), (6, -6)")
        let ask = "SELECT id, _row_id, _last_updated_sequence_number FROM t ORDER BY id"
        let first = try await session.rows(ask)
        #expect(first.map { $0[1] } == ["0", "1", "2", "3", "4", "5"])
        #expect(first.map { $0[2] } == ["1", "1", "1", "1", "2", "2"])
        #expect(try await session.rows("SELECT id FROM t WHERE _row_id BETWEEN 3 AND 4 ORDER BY id") == [["4"], ["5"]])
        // A column of the table's own comes before a hidden one of that name.
        #expect(try await session.rows("SELECT min(_pos), min(t._pos) FROM t") == [["-6", "-6"]])
        #expect(try await session.rows("SELECT count(DISTINCT _file) FROM t") == [["2"]])
        _ = try await session.rows("DELETE FROM t WHERE id = 2")
        _ = try await session.rows("OPTIMIZE TABLE t")
        #expect(try await session.rows("SELECT count(DISTINCT _file) FROM t") == [["1"]])
        #expect(try await session.rows(ask) == first.filter { $0[0] != "2" })
        _ = try await session.rows("INSERT INTO t VALUES (7, -7)")
        let last = try await session.rows(ask)
        #expect(Set(last.map { $0[1] }).count == last.count)
        // Changed rows keep theirs; the commit that changed them is another.
        _ = try await session.rows("UPDATE t SET id = id + 100 WHERE id IN (1, 5)")
        _ = try await session.rows(
            """
            MERGE INTO t USING (VALUES (3), (8), (9)) s (id) ON t.id = s.id
            WHEN MATCHED THEN UPDATE SET id = 103 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0)
            """)
        let changed = try await session.rows(ask)
        let ids = Dictionary(uniqueKeysWithValues: changed.map { ($0[0] ?? "", $0[1] ?? "") })
        #expect(ids["101"] == "0" && ids["105"] == "4" && ids["103"] == "2" && ids["4"] == "3")
        #expect(Set(ids.values).count == 8, "\(ids)")
        let commits = Dictionary(uniqueKeysWithValues: changed.map { ($0[0] ?? "", Int($0[2] ?? "") ?? 0) })
        #expect(commits["4"] == 1 && commits["101"] == commits["105"] && (commits["103"] ?? 0) > (commits["101"] ?? 0))
        _ = try await session.rows("DELETE FROM t WHERE id = 8")
        _ = try await session.rows("OPTIMIZE TABLE t (min_files => 1)")
        #expect(try await session.rows(ask) == changed.filter { $0[0] != "8" })
        _ = try await session.rows("CREATE TABLE old (id int); INSERT INTO old VALUES (1)")
        do throws(SQLError) {
            _ = try await session.rows("SELECT _row_id FROM old")
            Issue.record("a v2 table has no lineage")
        } catch { #expect(error.state == .undefinedColumn) }
        #expect(try await session.rows("SELECT _pos FROM old") == [["0"]])
    }
}
