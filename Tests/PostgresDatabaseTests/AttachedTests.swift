// A real PostgreSQL server attached: its tables read with filters pushed down, marts published into it.
import Columns
import Coordinator
import Diagnostics
import Foundation
import PostgresClient
import PostgresDatabase
import PostgresSupport
import Support
import Testing

/// A session with an empty PostgreSQL database attached as pg, and a connection of our own to that database.
struct Attached {
    let session: Session
    let url: String

    init() async throws {
        let cluster = try #require(PrivateCluster.shared)
        url = try cluster.makeDatabase()
        let lake = try await TestLake(kinds: [PostgresDatabaseKind()])
        session = try await lake.session()
        try server("CREATE SCHEMA marts")
        _ = try await session.rows("ATTACH '\(url)' AS pg (TYPE postgres)")
    }

    /// Runs statements on the server itself.
    func server(_ sql: String) throws { try PostgresConnection(url: url).execute(sql) }

    /// Asks the server itself; the first column as text.
    func asked(_ sql: String) throws -> [String?] {
        let connection = try PostgresConnection(url: url)
        try connection.execute("SET timezone = 'UTC'")
        let rows = try connection.query(sql)
        return (0..<rows.count).map { rows.text($0, 0) }
    }

    /// The error of a statement.
    func error(_ sql: String) async throws -> SQLError? {
        do throws(SQLError) {
            _ = try await session.rows(sql)
            return nil
        } catch {
            return error
        }
    }
}

@Suite("A PostgreSQL database beside the lake", .serialized)
struct AttachedTests {
    @Test("every type comes over as the server prints it, and goes back")
    func types() async throws {
        let pg = try await Attached()
        try pg.server(
            """
            CREATE TYPE mood AS ENUM ('sad', 'happy');
            CREATE DOMAIN positive AS int CHECK (value > 0);
            CREATE TABLE marts.all_types (b boolean, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric,
                d102 numeric(10,2), t text, v varchar(10), x bytea, d date, tm time, ts timestamp, tz timestamptz,
                iv interval, u uuid, ai int[], at text[], m mood, p positive, js json, jb jsonb);
            INSERT INTO marts.all_types VALUES
                (true, -2, 3, -4, 1.5, -2.25, 12345678901234567890.125, -12.34, E'a\\tb\\\\''', 'é', '\\xdead', '2024-02-29',
                '12:34:56.789', '0044-03-15 00:00:00.5 BC', '2024-01-01 12:00:00+02', '1 mon 2 days 03:04:05',
                'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{1,NULL,3}', '{a,"b c"}', 'happy', 7, '{"a":  1}', '{"b": [1, null]}'),
                (false, 0, 0, 0, 'NaN', 'Infinity', 'NaN', 0, '', '', '', 'infinity', '24:00', '-infinity', 'infinity',
                '0', '00000000-0000-0000-0000-000000000000', '{}', '{}', 'sad', 1, '[]', 'null'),
                (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                NULL, NULL, NULL, NULL, NULL, NULL);
            CREATE TABLE marts.other (i inet, j int[]);
            INSERT INTO marts.other VALUES ('10.0.0.1/8', NULL);
            """)
        let columns = "b i2 i4 i8 f4 f8 n d102 t v x d tm ts tz iv u ai at m p js jb".split(separator: " ")
        let theirs =
            "SELECT concat_ws('|', \(columns.map { "coalesce(\($0)::text, '-')" }.joined(separator: ", "))) FROM "
        let expected = try pg.asked(theirs + "marts.all_types ORDER BY i4 DESC NULLS LAST")
        let read = try await pg.session.rows("SELECT * FROM pg.marts.all_types ORDER BY i4 DESC NULLS LAST")
        let spelled = read.map { row in
            zip(row, columns).map { cell, column in
                // A boolean's text is longer than what clients get.
                column == "b" ? cell.map { $0 == "t" ? "true" : "false" } ?? "-" : cell ?? "-"
            }.joined(separator: "|")
        }
        #expect(spelled == expected.map { $0 ?? "" })
        _ = try await pg.session.rows("INSERT INTO pg.marts.all_types SELECT * FROM pg.marts.all_types")
        let doubled = try pg.asked(theirs + "(SELECT DISTINCT ON (i4) * FROM marts.all_types) t")
        #expect(doubled.count == 3)
        #expect(try pg.asked("SELECT count(*)::text FROM marts.all_types") == ["6"])
        #expect(try await pg.session.rows("SELECT i FROM pg.marts.other") == [["10.0.0.1/8"]])
        #expect(
            try await pg.error("INSERT INTO pg.marts.other VALUES ('10.0.0.2', NULL)")?.state == .featureNotSupported)
        try pg.server("UPDATE marts.other SET j = '{{1,2},{3,4}}'")
        #expect(try await pg.error("SELECT j FROM pg.marts.other")?.state == .featureNotSupported)
    }

    @Test("conditions go to the server, and mean there what they mean here")
    func conditions() async throws {
        let pg = try await Attached()
        // A collation that orders other than bytes do.
        try pg.server(
            """
            CREATE TABLE marts.t (id int, s text COLLATE "en-x-icu", n numeric(6,2), d date, f float8, z timestamptz);
            INSERT INTO marts.t SELECT g, CASE WHEN g % 2 = 0 THEN 'a' ELSE 'B' END || g, g / 4.0,
                date '2024-01-01' + g, CASE WHEN g = 7 THEN 'NaN' ELSE g / 2.0 END, timestamptz '2024-01-01Z' + g * interval '1h'
                FROM generate_series(1, 5000) g;
            INSERT INTO marts.t (id) VALUES (NULL);
            """)
        _ = try await pg.session.rows("CREATE TABLE t AS SELECT * FROM pg.marts.t")
        let conditions = [
            "id = 7", "id BETWEEN 10 AND 12", "id IN (1, 5, 4000, 9999)", "id IS NULL", "id IS NOT NULL AND id < 3",
            "s > 'a' AND s < 'a2'", "s = 'B3'", "s <= 'B2'", "n = 1.25", "n < 1.001",
            "d >= '2024-12-01' AND d < '2024-12-03'",
            "f > 2499", "f = 'NaN'", "f < 1", "z = '2024-01-02 00:00:00+00'", "id = 5.0", "id > 4997.5",
            "s LIKE 'a1%' AND id < 50",
            "id = 1 OR id IS NULL", "s = 'it''s \\'", "false", "n IN (0.25, 0.5, NULL)",
        ]
        for condition in conditions {
            let select = "SELECT id, s, n, d, f, z FROM "
            let here = try await pg.session.rows("\(select) t WHERE \(condition) ORDER BY id")
            let there = try await pg.session.rows("\(select) pg.marts.t WHERE \(condition) ORDER BY id")
            #expect(here == there, "\(condition)")
        }
        let plan = try await pg.session.rows("EXPLAIN ANALYZE SELECT * FROM pg.marts.t WHERE id BETWEEN 5 AND 8")
        #expect(plan.contains { $0[0]?.contains("Rows Read: 4") == true })
        // The join's keys are bounds for the server.
        let joined = try await pg.session.rows(
            "EXPLAIN ANALYZE SELECT * FROM (VALUES (3), (4)) v (id) JOIN pg.marts.t USING (id)")
        #expect(joined.contains { $0[0]?.contains("Rows Read: 2") == true }, "\(joined)")
    }

    @Test("a mart is published as one transaction")
    func publishing() async throws {
        let pg = try await Attached()
        _ = try await pg.session.rows(
            "CREATE TABLE sales AS SELECT i AS id, i % 7 AS region FROM generate_series(1, 10000) t (i)")
        _ = try await pg.session.rows("CREATE TABLE pg.marts.sales AS SELECT * FROM sales")
        #expect(try pg.asked("SELECT sum(id)::text FROM marts.sales") == ["50005000"])
        _ = try await pg.session.rows("INSERT INTO pg.marts.sales (id) VALUES (0), (-1)")
        #expect(try pg.asked("SELECT count(*)::text FROM marts.sales WHERE region IS NULL") == ["2"])
        // Other columns, under the same name; readers have the old table until the end.
        _ = try await pg.session.rows("CREATE OR REPLACE TABLE pg.marts.sales AS SELECT count(*) AS n FROM sales")
        #expect(try pg.asked("SELECT n::text FROM marts.sales") == ["10000"])
        // What fails leaves nothing.
        try pg.server("CREATE TABLE marts.keyed (id int PRIMARY KEY, CHECK (id < 9000))")
        let failure = try await pg.error("INSERT INTO pg.marts.keyed SELECT id FROM sales")
        #expect(failure?.state.code == "23514")
        #expect(try await pg.error("INSERT INTO pg.marts.keyed VALUES (1), (1)")?.state.code == "23505")
        let division = "CREATE TABLE pg.marts.bad AS SELECT 1 / (id - 9999) AS x FROM sales"
        #expect(try await pg.error(division)?.state == .divisionByZero)
        #expect(try pg.asked("SELECT count(*)::text FROM marts.keyed") == ["0"])
        #expect(
            try pg.asked(
                "SELECT relname::text FROM pg_class WHERE relnamespace = 'marts'::regnamespace AND relkind = 'r' ORDER BY 1"
            )
                == ["keyed", "sales"])
        #expect(
            try pg.asked(
                "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            ) == ["0"])
    }

    @Test("BEGIN to COMMIT is one transaction of the server, with savepoints")
    func blocks() async throws {
        let pg = try await Attached()
        let session = pg.session
        _ = try await session.rows(
            """
            BEGIN; CREATE SCHEMA pg.more; CREATE TABLE pg.marts.a (id int PRIMARY KEY, s text DEFAULT 'x');
            INSERT INTO pg.marts.a (id) VALUES (1); SAVEPOINT one; INSERT INTO pg.marts.a VALUES (2, 'two');
            ROLLBACK TO one; INSERT INTO pg.marts.a VALUES (3, 'three'); CREATE TABLE pg.marts.b AS SELECT 1 AS x
            """)
        #expect(try pg.asked("SELECT to_regclass('marts.a')::text") == [nil])
        #expect(try await pg.error("SELECT * FROM pg.marts.a")?.state == .featureNotSupported)
        _ = try await session.rows("ROLLBACK")
        #expect(try pg.asked("SELECT to_regclass('marts.a')::text") == [nil])
        _ = try await session.rows(
            """
            BEGIN; CREATE SCHEMA pg.more; CREATE TABLE pg.marts.a (id int PRIMARY KEY, s text DEFAULT 'x');
            INSERT INTO pg.marts.a (id) VALUES (1); SAVEPOINT one; INSERT INTO pg.marts.a VALUES (2, 'two');
            ROLLBACK TO one; INSERT INTO pg.marts.a VALUES (3, 'three'); CREATE TABLE pg.marts.b AS SELECT 1 AS x; COMMIT
            """)
        #expect(try pg.asked("SELECT id || s FROM marts.a ORDER BY id") == ["1x", "3three"])
        #expect(try pg.asked("SELECT x::text FROM marts.b") == ["1"])
        // dbt's way to put a table in another's place.
        _ = try await session.rows("CREATE TABLE pg.marts.a_new AS SELECT 9 AS id")
        _ = try await session.rows(
            """
            BEGIN; ALTER TABLE pg.marts.a RENAME TO a_old; ALTER TABLE pg.marts.a_new RENAME TO a;
            DROP TABLE pg.marts.a_old; COMMIT
            """)
        #expect(try pg.asked("SELECT id::text FROM marts.a") == ["9"])
        _ = try await session.rows(
            "BEGIN; ALTER TABLE pg.marts.a RENAME TO c; ALTER TABLE pg.marts.b RENAME TO a; ALTER TABLE pg.marts.c RENAME TO b; COMMIT"
        )
        #expect(try pg.asked("SELECT id::text FROM marts.b") == ["9"])
        #expect(try pg.asked("SELECT x::text FROM marts.a") == ["1"])
        _ = try await session.rows("DROP SCHEMA pg.more; TRUNCATE pg.marts.a; DROP TABLE pg.marts.b")
        #expect(try pg.asked("SELECT count(*)::text FROM marts.a") == ["0"])
        #expect(try pg.asked("SELECT to_regclass('marts.b')::text") == [nil])
        #expect(
            try await pg.error("BEGIN; CREATE TABLE here (i int); INSERT INTO pg.marts.a VALUES (1)")?.state
                == .featureNotSupported)
        _ = try await session.rows("ROLLBACK")
    }

    @Test("columns that the server fills are left to it; what it cannot take is refused")
    func columns() async throws {
        let pg = try await Attached()
        try pg.server(
            """
            CREATE TABLE marts.s (id serial PRIMARY KEY, k int GENERATED ALWAYS AS IDENTITY, a int,
                twice int GENERATED ALWAYS AS (a * 2) STORED, ip inet, t text NOT NULL DEFAULT 'none')
            """)
        _ = try await pg.session.rows("INSERT INTO pg.marts.s (a) VALUES (5), (6)")
        #expect(
            try pg.asked("SELECT concat_ws(',', id, k, a, twice, t) FROM marts.s ORDER BY id") == [
                "1,1,5,10,none", "2,2,6,12,none",
            ])
        #expect(try await pg.error("INSERT INTO pg.marts.s (a, twice) VALUES (1, 2)")?.state.code == "428C9")
        #expect(try await pg.error("INSERT INTO pg.marts.s (t) VALUES (NULL)")?.state == .notNullViolation)
        for statement in [
            "UPDATE pg.marts.s SET a = 1", "DELETE FROM pg.marts.s", "CREATE VIEW pg.marts.v AS SELECT 1",
            "ALTER TABLE pg.marts.s ADD COLUMN z int", "CREATE TABLE pg.marts.p (d date) PARTITIONED BY (d)",
        ] {
            #expect(try await pg.error(statement)?.state == .featureNotSupported, "\(statement)")
        }
        _ = try await pg.session.rows("ATTACH '\(pg.url)' AS ro (TYPE postgres, read_only 'true')")
        #expect(try await pg.error("INSERT INTO ro.marts.s (a) VALUES (1)")?.state == .readOnlyTransaction)
        #expect(try await pg.error("DROP TABLE ro.marts.s")?.state == .readOnlyTransaction)
        #expect(try await pg.session.rows("SELECT count(*) FROM ro.marts.s") == [["2"]])
    }

    @Test("a server that goes away in the middle leaves nothing half")
    func lost() async throws {
        let pg = try await Attached()
        _ = try await pg.session.rows("CREATE TABLE pg.marts.t (i int)")
        _ = try await pg.session.rows("BEGIN; INSERT INTO pg.marts.t VALUES (1), (2)")
        try PrivateCluster.cutConnections(of: pg.url)
        let failure = try await pg.error("COMMIT")
        #expect(
            failure?.state.code.hasPrefix("08") == true || failure?.state.code.hasPrefix("57P") == true,
            "\(failure?.message ?? "")")
        #expect(try pg.asked("SELECT count(*)::text FROM marts.t") == ["0"])
        _ = try await pg.session.rows("INSERT INTO pg.marts.t VALUES (3)")
        #expect(try pg.asked("SELECT i::text FROM marts.t") == ["3"])
    }

    @Test("a scan that waits for the server is stopped by statement_timeout")
    func stopped() async throws {
        let pg = try await Attached()
        try pg.server("CREATE VIEW marts.slow AS SELECT g, pg_sleep(10)::text FROM generate_series(1, 10) g")
        let start = ContinuousClock.now
        _ = try await pg.session.rows("SET statement_timeout = '300ms'")
        #expect(try await pg.error("SELECT * FROM pg.marts.slow")?.state == .queryCanceled)
        #expect(ContinuousClock.now - start < .seconds(5))
        _ = try await pg.session.rows("SET statement_timeout = 0")
        // The server hears of it a moment after the session does.
        var active: [String?] = ["1"]
        for _ in 0..<50 where active != ["0"] {
            active = try pg.asked(
                """
                SELECT count(*)::text FROM pg_stat_activity
                WHERE query LIKE '%marts%slow%' AND state = 'active' AND pid <> pg_backend_pid()
                """)
            if active != ["0"] { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(active == ["0"])
    }
}
