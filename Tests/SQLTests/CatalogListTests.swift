// Lists of tables and columns: what is remembered of external tables, and when it is looked at anew.
import Coordinator
import Foundation
import Support
import Testing

@Suite struct CatalogListTests {
    private let folder = NSTemporaryDirectory() + "lists-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    private static let shortList =
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'x0' ORDER BY 1"
    private static let longList =
        "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname LIKE 'x0' ORDER BY 1"

    /// A session with external tables over one folder each.
    private func session(tables: Int) async throws -> Session {
        let session = try await TestLake().session()
        for table in 0..<tables {
            try FileManager.default.createDirectory(atPath: "\(folder)/x\(table)", withIntermediateDirectories: true)
            _ = try await session.rows("COPY (SELECT 1 AS a) TO '\(folder)/x\(table)/one.parquet'")
        }
        let all = (0..<tables).map {
            "CREATE EXTERNAL TABLE x\($0) STORED AS PARQUET LOCATION '\(folder)/x\($0)/'"
        }
        _ = try await session.rows("BEGIN; \(all.joined(separator: "; ")); COMMIT")
        return session
    }

    @Test("few external tables show in lists what their files have now")
    func few() async throws {
        let session = try await session(tables: 3)
        for list in [Self.longList, Self.shortList] { #expect(try await session.rows(list) == [["a"]]) }
        _ = try await session.rows("COPY (SELECT 1 AS a, 2 AS b) TO '\(folder)/x0/two.parquet'")
        for list in [Self.longList, Self.shortList] { #expect(try await session.rows(list) == [["a"], ["b"]]) }
    }

    @Test("of many external tables lists show what was seen last, and questions about one look anew")
    func many() async throws {
        let session = try await session(tables: 70)
        #expect(try await session.rows(Self.longList) == [["a"]])
        _ = try await session.rows("COPY (SELECT 1 AS a, 2 AS b) TO '\(folder)/x0/two.parquet'")
        #expect(try await session.rows(Self.longList) == [["a"]])
        #expect(try await session.rows(Self.shortList) == [["a"], ["b"]])
        #expect(try await session.rows(Self.longList) == [["a"], ["b"]])
        // A query sees it as well.
        _ = try await session.rows("COPY (SELECT 1 AS a, 3 AS c) TO '\(folder)/x0/three.parquet'")
        #expect(try await session.rows("SELECT count(c) FROM x0") == [["1"]])
        #expect(try await session.rows(Self.longList) == [["a"], ["b"], ["c"]])
    }

    @Test("the catalog is read ahead")
    func warmup() async throws {
        let lake = try await TestLake()
        _ = try await lake.session().rows("CREATE TABLE t (a int, b text)")
        await lake.engine.warmCatalog()
        let rows = try await lake.session().rows("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass")
        #expect(rows == [["2"]])
    }
}
