import Columns
import Coordinator
import Diagnostics
import Support
import Testing

/// What several sessions see of each other's transactions.
@Suite struct TransactionTests {
    private func state(_ body: () async throws(SQLError) -> Void) async -> String? {
        do throws(SQLError) {
            try await body()
            return nil
        } catch { return error.state.code }
    }

    @Test("a reader sees a transaction when it has committed, and all of it")
    func isolation() async throws {
        let lake = try await TestLake()
        let (writer, reader) = (try await lake.session(), try await lake.session())
        _ = try await writer.rows("CREATE TABLE a (id int); CREATE TABLE b (id int)")
        _ = try await writer.rows("BEGIN")
        _ = try await writer.rows("INSERT INTO a VALUES (1)")
        _ = try await writer.rows("INSERT INTO b VALUES (1)")
        #expect(try await reader.rows("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == [["0", "0"]])
        _ = try await reader.rows("BEGIN")
        #expect(try await reader.rows("SELECT count(*) FROM a") == [["0"]])
        _ = try await writer.rows("COMMIT")
        // The reader's transaction stays on its commit.
        #expect(try await reader.rows("SELECT count(*) FROM b") == [["0"]])
        _ = try await reader.rows("COMMIT")
        #expect(try await reader.rows("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == [["1", "1"]])
    }

    @Test("appends to one table from two transactions are both kept")
    func appends() async throws {
        let lake = try await TestLake()
        let (one, two) = (try await lake.session(), try await lake.session())
        _ = try await one.rows("CREATE TABLE a (id int); INSERT INTO a VALUES (0)")
        _ = try await one.rows("BEGIN")
        _ = try await two.rows("BEGIN")
        _ = try await one.rows("INSERT INTO a VALUES (1)")
        _ = try await two.rows("INSERT INTO a VALUES (2)")
        _ = try await two.rows("INSERT INTO a VALUES (3)")
        _ = try await one.rows("COMMIT")
        _ = try await two.rows("COMMIT")
        #expect(try await one.rows("SELECT id FROM a ORDER BY id").flatMap { $0 } == ["0", "1", "2", "3"])
    }

    @Test("two transactions on different tables never conflict")
    func differentTables() async throws {
        let lake = try await TestLake()
        let (one, two) = (try await lake.session(), try await lake.session())
        _ = try await one.rows("CREATE TABLE a (id int); CREATE TABLE b (id int); INSERT INTO b VALUES (1)")
        _ = try await one.rows("BEGIN; UPDATE b SET id = 2")
        _ = try await two.rows("BEGIN; INSERT INTO a VALUES (1); CREATE TABLE c AS SELECT * FROM b")
        _ = try await one.rows("COMMIT")
        _ = try await two.rows("COMMIT")
        #expect(try await one.rows("SELECT a.id, b.id, c.id FROM a, b, c") == [["1", "2", "1"]])
    }

    @Test("changing one row twice is 40001, and leaves no file of the loser")
    func conflict() async throws {
        let lake = try await TestLake()
        let (one, two) = (try await lake.session(), try await lake.session())
        _ = try await one.rows("CREATE TABLE a (id int, v int); INSERT INTO a VALUES (1, 0), (2, 0)")
        _ = try await one.rows("BEGIN; UPDATE a SET v = 1 WHERE id = 1")
        _ = try await two.rows("BEGIN; UPDATE a SET v = 2 WHERE id = 1")
        _ = try await one.rows("COMMIT")
        let files = lake.managed.filesLeft
        let code = await state { () async throws(SQLError) in _ = try await two.rows("COMMIT") }
        #expect(code == "40001")
        #expect(lake.managed.filesLeft == files - 1)
        #expect(try await two.rows("SELECT v FROM a ORDER BY id") == [["1"], ["0"]])
        // Other rows of the same file do not conflict.
        _ = try await one.rows("BEGIN; UPDATE a SET v = 5 WHERE id = 1")
        _ = try await two.rows("BEGIN; UPDATE a SET v = 6 WHERE id = 2")
        _ = try await one.rows("COMMIT")
        _ = try await two.rows("COMMIT")
        #expect(try await two.rows("SELECT v FROM a ORDER BY id") == [["5"], ["6"]])
    }

    @Test("single statements run again when another commit came first")
    func statementsRetry() async throws {
        let lake = try await TestLake()
        let setup = try await lake.session()
        _ = try await setup.rows("CREATE TABLE a (v int); INSERT INTO a VALUES (0)")
        let sessions = 4
        let rounds = 10
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<sessions {
                group.addTask {
                    let session = try await lake.session()
                    for _ in 0..<rounds {
                        while true {
                            let failed = await state { () async throws(SQLError) in
                                _ = try await session.rows("UPDATE a SET v = v + 1")
                            }
                            if failed == nil { break }
                            #expect(failed == "40001")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await setup.rows("SELECT v FROM a") == [["\(sessions * rounds)"]])
    }

    @Test("ROLLBACK, savepoints and failed statements leave no file")
    func rollback() async throws {
        let lake = try await TestLake()
        let session = try await lake.session()
        _ = try await session.rows("CREATE TABLE a (id int NOT NULL)")
        _ = try await session.rows("BEGIN; INSERT INTO a VALUES (1); CREATE TABLE b AS SELECT 1 AS x; ROLLBACK")
        #expect(lake.managed.filesLeft == 0)
        _ = try await session.rows("BEGIN; INSERT INTO a VALUES (1); SAVEPOINT s; INSERT INTO a VALUES (2)")
        #expect(lake.managed.filesLeft == 2)
        _ = try await session.rows("ROLLBACK TO s")
        #expect(lake.managed.filesLeft == 1)
        _ = try await session.rows("COMMIT")
        #expect(try await session.rows("SELECT id FROM a") == [["1"]])
        let failed = await state { () async throws(SQLError) in
            _ = try await session.rows(
                "INSERT INTO a SELECT CASE WHEN x < 5000 THEN x END FROM generate_series(1, 5000) g(x)")
        }
        #expect(failed == "23502")
        #expect(lake.managed.filesLeft == 1)
        let bad = await state { () async throws(SQLError) in
            _ = try await session.rows("INSERT INTO a VALUES (3); SELECT 1 / 0")
        }
        #expect(bad == "22012")
        #expect(lake.managed.filesLeft == 1)
        #expect(try await session.rows("SELECT id FROM a") == [["1"]])
    }

    @Test("a reader never misses a table that is renamed and swapped")
    func swap() async throws {
        let lake = try await TestLake()
        let writer = try await lake.session()
        _ = try await writer.rows("CREATE TABLE model AS SELECT 0 AS round")
        let reader = Task {
            let session = try await lake.session()
            var seen: [Int] = []
            while seen.last != 20, !Task.isCancelled {
                let rows = try await session.rows("SELECT round FROM model")
                #expect(rows.count == 1)
                seen.append(Int(rows.first?.first?.flatMap { $0 } ?? "") ?? -1)
            }
            return seen
        }
        for round in 1...20 {
            _ = try await writer.rows(
                """
                BEGIN; CREATE TABLE model_tmp AS SELECT \(round) AS round; ALTER TABLE model RENAME TO model_backup;
                ALTER TABLE model_tmp RENAME TO model; DROP TABLE IF EXISTS model_backup CASCADE; COMMIT
                """)
        }
        let seen = try await reader.value
        #expect(seen == seen.sorted())
        #expect(!seen.contains(-1))
    }

    @Test("a table that is renamed keeps what another transaction appends")
    func renameAndAppend() async throws {
        let lake = try await TestLake()
        let (one, two) = (try await lake.session(), try await lake.session())
        _ = try await one.rows("CREATE TABLE a (id int); INSERT INTO a VALUES (1)")
        _ = try await one.rows("BEGIN; ALTER TABLE a RENAME TO b; ALTER TABLE b ADD COLUMN more text")
        _ = try await two.rows("INSERT INTO a VALUES (2)")
        _ = try await one.rows("COMMIT")
        #expect(try await one.rows("SELECT id, more FROM b ORDER BY id") == [["1", nil], ["2", nil]])
        let gone = await state { () async throws(SQLError) in _ = try await two.rows("SELECT * FROM a") }
        #expect(gone == "42P01")
    }

    @Test("temporary tables are one session's, and their files go with it")
    func temporaries() async throws {
        let lake = try await TestLake()
        let (one, two) = (try await lake.session(), try await lake.session())
        _ = try await one.rows("CREATE TEMP TABLE t AS SELECT 1 AS x")
        _ = try await one.rows("BEGIN; INSERT INTO t VALUES (2); ROLLBACK; INSERT INTO t VALUES (3)")
        #expect(try await one.rows("SELECT x FROM t ORDER BY x") == [["1"], ["3"]])
        let unseen = await state { () async throws(SQLError) in _ = try await two.rows("SELECT * FROM t") }
        #expect(unseen == "42P01")
        #expect(try await two.rows("SHOW TABLES").isEmpty)
        #expect(lake.managed.filesLeft == 2)
        await one.close()
        #expect(lake.managed.filesLeft == 0)
    }

    @Test("creating one name twice, or dropping what others changed, ends as it would one after the other")
    func names() async throws {
        let lake = try await TestLake()
        let (one, two) = (try await lake.session(), try await lake.session())
        _ = try await one.rows("BEGIN; CREATE TABLE a (id int)")
        _ = try await two.rows("CREATE TABLE a (id text)")
        let clash = await state { () async throws(SQLError) in _ = try await one.rows("COMMIT") }
        #expect(clash == "40001")
        _ = try await one.rows("BEGIN; DROP TABLE a")
        _ = try await two.rows("INSERT INTO a VALUES ('late')")
        _ = try await one.rows("COMMIT")
        let gone = await state { () async throws(SQLError) in _ = try await two.rows("SELECT * FROM a") }
        #expect(gone == "42P01")
        _ = try await one.rows("CREATE TABLE b (id int)")
        _ = try await one.rows("BEGIN; INSERT INTO b VALUES (1)")
        _ = try await two.rows("DROP TABLE b")
        let dropped = await state { () async throws(SQLError) in _ = try await one.rows("COMMIT") }
        #expect(dropped == "40001")
    }

    @Test("prepared writes take their parameters' types from the columns")
    func prepared() async throws {
        let lake = try await TestLake()
        let session = try await lake.session()
        _ = try await session.rows("CREATE TABLE a (id int, name varchar(5), d date, n numeric(6,2))")
        try await session.parse("s", sql: "INSERT INTO a VALUES ($1, $2, $3, $4) RETURNING id", parameterTypes: [])
        let description = try await session.statement("s")
        #expect(description.parameters.map(\.name) == ["integer", "character varying", "date", "numeric"])
        #expect(description.columns?.map(\.name) == ["id"])
        try await session.bind(
            "", statement: "s",
            parameters: [.int4(1), .init(.varchar(nil), .string("abc")), .init(.date, .int(0)), .null(.numeric)])
        let stream = try await session.execute("")
        #expect(try await stream.next()?.rows == 1)
        #expect(try await stream.finish().tag == .done("INSERT 0 1"))
        let before = try await lake.session().rows("SELECT count(*) FROM a")
        #expect(before == [["0"]])
        let report = await session.finishCycle()
        #expect(report.error == nil)
        #expect(try await lake.session().rows("SELECT * FROM a") == [["1", "abc", "1970-01-01", nil]])
    }
}
