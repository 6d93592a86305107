import Columns
import Coordinator
import Diagnostics
import Foundation
import Iceberg
import Storage
import Support
import Synchronization
import Testing

/// Upkeep by SQL over Iceberg tables in a folder.
@Suite struct UpkeepTests {
    /// A lake whose tables are files.
    final class FileLake: Sendable {
        let folder: String
        let lake: TestLake

        init() async throws {
            folder = NSTemporaryDirectory() + "upkeep-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            lake = try await TestLake(format: IcebergFormat(stores: LocalStore(), warehouse: folder))
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        var files: Set<String> {
            let all = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? []).compactMap { $0 as? String }
            return Set(all.filter { $0.contains("/data/") || $0.contains("/metadata/") }.filter { $0.contains(".") })
        }
    }

    private func state(_ body: () async throws(SQLError) -> Void) async -> String? {
        do throws(SQLError) {
            try await body()
            return nil
        } catch { return error.state.code }
    }

    @Test("ROLLBACK leaves no file: of rows, of tables that were made, of tables that were altered")
    func rollback() async throws {
        let house = try await FileLake()
        let session = try await house.lake.session()
        _ = try await session.rows("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
        let before = house.files
        _ = try await session.rows(
            """
            BEGIN; CREATE TABLE u (id int); INSERT INTO u VALUES (1); ALTER TABLE t ADD COLUMN s text;
            COMMENT ON TABLE t IS 'one'; INSERT INTO t VALUES (2, 'b'); CREATE TABLE v AS SELECT * FROM t;
            CREATE MATERIALIZED VIEW m AS SELECT * FROM t; REFRESH MATERIALIZED VIEW m WITH NO DATA
            """)
        #expect(house.files.count > before.count + 10)
        _ = try await session.rows("ROLLBACK")
        #expect(house.files == before)
        // A state that stays as it was is the branch's, whatever was asked for.
        _ = try await session.rows("BEGIN; COMMENT ON TABLE t IS NULL; ROLLBACK")
        #expect(house.files == before)
        _ = try await session.rows("BEGIN; SAVEPOINT s; ALTER TABLE t ADD COLUMN a int; ROLLBACK TO s")
        #expect(house.files == before)
        _ = try await session.rows("ALTER TABLE t ADD COLUMN b int; COMMIT")
        #expect(try await session.rows("SELECT * FROM t") == [["1", nil]])
        let committed = house.files
        let failed = await state { () async throws(SQLError) in
            _ = try await session.rows("CREATE TABLE w AS SELECT 1 / (id - 1) FROM t")
        }
        #expect(failed == "22012")
        #expect(house.files == committed)
    }

    @Test(
        "of two that add a row because it is missing, one adds it",
        arguments: [
            "INSERT INTO k VALUES ($i, 0) ON CONFLICT (id) DO UPDATE SET v = k.v + 1",
            "MERGE INTO k USING (VALUES ($i)) s (id) ON k.id = s.id WHEN MATCHED THEN UPDATE SET v = k.v + 1 "
                + "WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0)",
        ])
    func absence(statement: String) async throws {
        let house = try await FileLake()
        let session = try await house.lake.session()
        _ = try await session.rows("CREATE TABLE k (id int, v int)")
        let done = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    let writer = try await house.lake.session()
                    var done = 0
                    for id in 0..<12 {
                        do throws(SQLError) {
                            _ = try await writer.rows(statement.replacing("$i", with: "\(id)"))
                            done += 1
                        } catch { #expect(error.state == .serializationFailure) }
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
        // Each id once, and no acknowledged change lost: v counts those after the first.
        let rows = try await session.rows("SELECT count(*), count(DISTINCT id), sum(v) + count(*) FROM k")
        #expect(rows == [["12", "12", "\(done)"]])
    }

    @Test("on a schedule the server puts files together and collects garbage by itself")
    func schedule() async throws {
        let house = try await FileLake()
        let session = try await house.lake.session()
        _ = try await session.rows("CREATE TABLE t (id int)")
        for id in 0..<6 { _ = try await session.rows("INSERT INTO t VALUES (\(id))") }
        let lines = Mutex<[String]>([])
        let engine = house.lake.engine
        let upkeep = Task {
            try await engine.keepInShape(every: .milliseconds(50)) { line in lines.withLock { $0.append(line) } }
        }
        for _ in 0..<200 {
            if lines.withLock({ $0.count }) >= 4 { break }
            try await Task.sleep(for: .milliseconds(50))
        }
        upkeep.cancel()
        let said = lines.withLock { $0 }
        #expect(said.count >= 4 && said.allSatisfy { !$0.contains("failed") }, "\(said)")
        #expect(try await session.rows("OPTIMIZE TABLE t DRY RUN")[0][1] == "0")
        #expect(try await session.rows("SELECT count(*) FROM t") == [["6"]])
    }

    @Test("OPTIMIZE TABLE puts files together, VACUUM does for all tables, both leave the rows alone")
    func optimize() async throws {
        let house = try await FileLake()
        let session = try await house.lake.session()
        _ = try await session.rows("CREATE TABLE t (id int, d date) PARTITIONED BY (d)")
        for id in 0..<6 {
            _ = try await session.rows("INSERT INTO t VALUES (\(id), '2026-01-01'), (\(id + 100), '2026-01-02')")
        }
        _ = try await session.rows("DELETE FROM t WHERE id = 3")
        let before = try await session.rows("SELECT * FROM t ORDER BY id")
        let plan = try await session.rows("OPTIMIZE TABLE t WHERE d = date '2026-01-02' DRY RUN")
        #expect(plan.count == 1 && plan[0][1] == "6" && plan[0][2] == nil)
        #expect(try await session.rows("OPTIMIZE TABLE t WHERE d = date '2026-01-02'")[0][1...2] == ["6", "1"])
        #expect(try await session.rows("OPTIMIZE t WHERE d = date '1999-01-02'")[0][1] == "0")
        _ = try await session.rows("CREATE BRANCH safe; ALTER BRANCH main SET (protected = true)")
        // No rows change: a protected branch is kept in shape like others.
        #expect(
            try await session.rows("ALTER TABLE t EXECUTE optimize(file_size_threshold => '10MB')")[0][1...2] == [
                "5", "1",
            ])
        #expect(try await session.rows("OPTIMIZE TABLE t")[0][1...2] == ["0", "0"])
        #expect(try await session.rows("SELECT * FROM t ORDER BY id") == before)
        let other = try await house.lake.session("lake@safe")
        #expect(try await other.rows("OPTIMIZE TABLE t DRY RUN")[0][1] == "5")
        #expect(try await other.rows("VACUUM") == [])
        #expect(try await other.rows("OPTIMIZE TABLE t DRY RUN")[0][1] == "0")
        #expect(try await other.rows("SELECT * FROM t ORDER BY id") == before)
        #expect(try await other.rows("SELECT count(*) FROM t") == [["11"]])
        #expect(
            await state { () async throws(SQLError) in _ = try await session.rows("BEGIN; OPTIMIZE TABLE t") }
                == "25001")
        _ = try await session.rows("ROLLBACK")
        #expect(
            await state { () async throws(SQLError) in _ = try await session.rows("OPTIMIZE TABLE nothing") } == "42P01"
        )
        #expect(
            await state { () async throws(SQLError) in _ = try await session.rows("OPTIMIZE TABLE t (what = 1)") }
                == "42601")
        let gone = try await session.rows("EXPIRE SNAPSHOTS OF t OLDER THAN '0 s' KEEP 2 DRY RUN")
        #expect(gone.count == 7)
        #expect(try await session.rows("EXPIRE SNAPSHOTS OF t OLDER THAN now() KEEP 2").count == 7)
        #expect(
            try await session.rows("ALTER TABLE t EXECUTE expire_snapshots(retention_threshold => '0 s')").count == 1)
        #expect(try await session.rows("EXPIRE SNAPSHOTS OF t OLDER THAN '0 s'").count == 0)
        #expect(try await session.rows("SELECT * FROM t ORDER BY id") == before)
    }

    @Test("writers go on while a table is compacted; what they touched stays as it is")
    func concurrent() async throws {
        let house = try await FileLake()
        let (session, writer) = (try await house.lake.session(), try await house.lake.session())
        _ = try await session.rows("CREATE TABLE t (id int) ")
        for id in 0..<20 { _ = try await session.rows("INSERT INTO t VALUES (\(id))") }
        let writing = Task {
            for id in 20..<60 {
                _ = try await writer.rows("INSERT INTO t VALUES (\(id))")
                if id % 5 == 0 { _ = try await writer.rows("DELETE FROM t WHERE id = \(id - 20)") }
            }
        }
        for _ in 0..<8 { _ = try await session.rows("OPTIMIZE TABLE t") }
        try await writing.value
        _ = try await session.rows("OPTIMIZE TABLE t")
        let expected = (0..<60).filter { !($0 < 40 && $0 % 5 == 0) }.map { "\($0)" }
        #expect(try await session.rows("SELECT id FROM t ORDER BY id").map { $0[0] ?? "" } == expected)
    }

    @Test("after a collection every ref of a lake with 20 branches reads, and no file is left over")
    func branches() async throws {
        let house = try await FileLake()
        var random = SplitMix(state: 7)
        let session = try await house.lake.session()
        _ = try await session.rows(
            "CREATE TABLE a (id int, v text); CREATE TABLE b (id int, d date) PARTITIONED BY (d)")
        var branches = ["main"]
        for number in 0..<24 {
            let from = branches[Int.random(in: 0..<branches.count, using: &random)]
            _ = try await session.rows("CREATE BRANCH b\(number) FROM \(from)")
            branches.append("b\(number)")
            let work = try await house.lake.session("lake@b\(number)")
            for step in 0..<4 { try await change(work, number * 10 + step, &random) }
            if number % 8 == 5 {
                _ = try await session.rows("CREATE TAG t\(number) FROM b\(number)")
            }
        }
        // Some branches go, and with them what only they had; a merge; a transaction that is undone.
        for name in ["b3", "b11", "b17", "b20"] {
            _ = try await session.rows("DROP BRANCH \(name)")
            branches.removeAll { $0 == name }
        }
        _ = try await session.rows("MERGE BRANCH b23 INTO main ON CONFLICT TAKE SOURCE")
        _ = try await session.rows("BEGIN; INSERT INTO a VALUES (1, 'x'); ROLLBACK")
        _ = try await session.rows("DROP TABLE a")
        let refs = branches + ["t5", "t13", "t21"]
        let before = try await read(house, refs)
        #expect(before.count == refs.count)
        // Young files stay, whatever leads to them.
        #expect(try await session.rows("COLLECT GARBAGE") == [])
        let planned = try await session.rows("COLLECT GARBAGE OLDER THAN '0 s' DRY RUN")
        #expect(planned.count > 20)
        let files = house.files
        let gone = try await session.rows("COLLECT GARBAGE OLDER THAN '0 s'")
        #expect(gone == planned)
        #expect(files.count - house.files.count == gone.count)
        #expect(try await session.rows("COLLECT GARBAGE OLDER THAN '0 s'") == [])
        #expect(try await read(house, refs) == before)
        // The past of every ref reads as well.
        let log = try await session.rows("SHOW LOG")
        for commit in log.compactMap({ $0[0] }) {
            for table in ["a", "b"] {
                let failure = await state { () async throws(SQLError) in
                    _ = try await session.rows("SELECT * FROM \(table) AT COMMIT '\(commit)'")
                }
                // Not made yet, or dropped.
                #expect(failure == nil || failure == "42P01")
            }
        }
    }

    @Test("what an open transaction or a running query sees is not collected")
    func inUse() async throws {
        let house = try await FileLake()
        let (session, other, third) = (
            try await house.lake.session(), try await house.lake.session(), try await house.lake.session("lake@main")
        )
        _ = try await session.rows("CREATE TABLE a (id int); INSERT INTO a SELECT g FROM generate_series(1, 50000) g")
        _ = try await session.rows("CREATE BRANCH dev")
        let dev = try await house.lake.session("lake@dev")
        _ = try await dev.rows("INSERT INTO a VALUES (-1)")
        _ = try await other.rows("BEGIN")
        #expect(try await other.rows("SELECT count(*) FROM a@dev") == [["50001"]])
        // Not committed yet.
        _ = try await third.rows("BEGIN; CREATE TABLE c AS SELECT * FROM a")
        _ = try await session.rows("DROP BRANCH dev")
        _ = try await session.rows("COLLECT GARBAGE OLDER THAN '0 s'")
        #expect(try await other.rows("SELECT sum(id) FROM a@dev") == [["1250024999"]])
        _ = try await third.rows("COMMIT")
        #expect(try await third.rows("SELECT count(*) FROM c") == [["50000"]])
        _ = try await other.rows("COMMIT")
        #expect(try await session.rows("COLLECT GARBAGE OLDER THAN '0 s'").count > 2)
        // A query whose rows are on their way reads on.
        _ = try await session.rows("CREATE BRANCH dev")
        let sequence = try await other.query("SELECT id FROM a@dev")
        let stream = try #require(try await sequence.next())
        var rows = try await stream.next()?.rows ?? 0
        _ = try await session.rows("DROP BRANCH dev; DROP TABLE a; DROP TABLE c")
        _ = try await session.rows("COLLECT GARBAGE OLDER THAN '0 s'")
        while let batch = try await stream.next() { rows += batch.rows }
        _ = try await stream.finish()
        _ = await other.finishCycle()
        #expect(rows == 50_000)
        // Tables of one session are in no commit.
        _ = try await other.rows("CREATE TEMPORARY TABLE own AS SELECT g FROM generate_series(1, 100) g")
        _ = try await session.rows("COLLECT GARBAGE OLDER THAN '0 s'")
        #expect(try await other.rows("SELECT count(*) FROM own") == [["100"]])
    }

    private func read(_ house: FileLake, _ refs: [String]) async throws -> [String: [[String?]]] {
        let session = try await house.lake.session()
        var found: [String: [[String?]]] = [:]
        for ref in refs {
            var rows: [[String?]] = []
            for table in ["a", "b"] {
                _ = await state { () async throws(SQLError) in
                    rows += try await session.rows("SELECT * FROM \(table)@\(ref) ORDER BY 1, 2")
                }
            }
            found[ref] = rows
        }
        return found
    }

    private func change(_ session: Session, _ seed: Int, _ random: inout SplitMix) async throws {
        let sql =
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1: "INSERT INTO a SELECT g, 'v' || g FROM generate_series(\(seed), \(seed + 40)) g"
            case 2: "INSERT INTO b SELECT g, date '2026-01-01' + g % 3 FROM generate_series(\(seed), \(seed + 20)) g"
            case 3: "DELETE FROM a WHERE id % 5 = \(seed % 5)"
            case 4: "UPDATE b SET id = id + 1 WHERE id % 3 = \(seed % 3)"
            case 5: "CREATE OR REPLACE TABLE c\(seed) AS SELECT * FROM a"
            case 6: "VACUUM a"
            default: "TRUNCATE b"
            }
        _ = try await session.rows(sql)
    }
}

/// Numbers from a seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
