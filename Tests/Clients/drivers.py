# Drivers and tools that speak PostgreSQL, each against a server of its own data: what they read, write and ask the
# catalog. Those that are not installed are left out, and said so. See README.md beside this file.
import asyncio, datetime, decimal, importlib.metadata, os, pathlib, shutil, subprocess, sys, tempfile, threading, time, traceback
import psycopg
from serving import check, free_port, serving

ROWS = [
    (1, "Ada", decimal.Decimal("10.50"), datetime.date(2024, 1, 1), True, 1.5),
    (2, "Çelik", decimal.Decimal("-3.25"), datetime.date(2024, 2, 29), False, None),
    (3, None, None, None, None, 0.1),
]
SETUP = """
CREATE SCHEMA marts;
CREATE TABLE marts.people (id bigint NOT NULL, name text, credit numeric(12,2), born date, active boolean, score double precision);
CREATE TABLE marts.docs (id int, j json, b jsonb, seen timestamptz, small smallint);
CREATE VIEW marts.active AS SELECT id, name FROM marts.people WHERE active;
INSERT INTO marts.docs SELECT 1, '{"a": [1, 2]}', '{"b":1,"a":"x"}', '2024-01-01 10:00:00+00', 7;
"""


class Missing(Exception):
    pass


def need(*names):
    try:
        modules = [__import__(name) for name in names]
    except ImportError as e:
        raise Missing(str(e))
    return modules[0] if len(modules) == 1 else modules


def version(*packages):
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)


def dsn(s):
    return f"host=127.0.0.1 port={s.port} user=test dbname=lake"


def uri(s):
    return f"postgresql://test@127.0.0.1:{s.port}/lake"


def run_psycopg2(s):
    psycopg2 = need("psycopg2")
    need("psycopg2.extras")
    c = psycopg2.connect(dsn(s))
    k = c.cursor()
    k.execute("SELECT * FROM marts.people ORDER BY id")
    check("psycopg2 rows", k.fetchall(), ROWS)
    k.execute("SELECT j, b, ARRAY['p', 'q'], small FROM marts.docs")
    check("psycopg2 json", k.fetchone(), ({"a": [1, 2]}, {"a": "x", "b": 1}, ["p", "q"], 7))
    named = c.cursor("scrolling", scrollable=True)
    named.execute("SELECT g FROM generate_series(1, 100) g")
    named.scroll(50)
    check("psycopg2 scroll", named.fetchone(), (51,))
    named.scroll(-10)
    check("psycopg2 scroll back", named.fetchone(), (42,))
    named.close()
    import io

    out = io.StringIO()
    k.copy_expert("COPY (SELECT id, name FROM marts.people ORDER BY id) TO STDOUT CSV", out)
    check("psycopg2 COPY", out.getvalue(), "1,Ada\n2,Çelik\n3,\n")
    k.execute("CREATE TABLE marts.p2 (a int, b text)")
    k.copy_expert("COPY marts.p2 FROM STDIN", io.StringIO("1\tx\n2\t\\N\n"))
    psycopg2.extras.execute_values(k, "INSERT INTO marts.p2 VALUES %s", [(3, "y"), (4, "z")])
    c.commit()
    k.execute("SELECT count(*), count(b) FROM marts.p2")
    check("psycopg2 writes", k.fetchone(), (4, 3))
    c.close()
    return version("psycopg2-binary")


def run_psycopg(s):
    with psycopg.connect(dsn(s)) as c:
        check("psycopg binary rows", c.cursor(binary=True).execute("SELECT * FROM marts.people ORDER BY id").fetchall(), ROWS)
        row = c.cursor(binary=True).execute("SELECT j, b, ARRAY['p', 'q'] FROM marts.docs").fetchone()
        check("psycopg binary json", row, ({"a": [1, 2]}, {"a": "x", "b": 1}, ["p", "q"]))
        from psycopg.types.json import Json, Jsonb

        c.execute("INSERT INTO marts.docs (id, j, b) VALUES (%s, %s, %s)", (2, Json({"z": 1}), Jsonb([1, None])))
        got = c.execute("SELECT j ->> 'z', b -> 0 FROM marts.docs WHERE b @> %s", (Jsonb([1]),)).fetchone()
        check("psycopg json parameters", got, ("1", 1))
        c.rollback()
    return version("psycopg")


def run_asyncpg(s):
    asyncpg = need("asyncpg")

    async def go():
        c = await asyncpg.connect(uri(s))
        check("asyncpg rows", [tuple(r) for r in await c.fetch("SELECT * FROM marts.people WHERE id > $1 ORDER BY id", 0)], ROWS)
        row = await c.fetchrow("SELECT j, b FROM marts.docs WHERE id = $1", 1)
        check("asyncpg json", tuple(row), ('{"a": [1, 2]}', '{"a": "x", "b": 1}'))
        async with c.transaction():
            cursor = await c.cursor("SELECT g FROM generate_series(1, 100) g")
            await cursor.forward(10)
            check("asyncpg cursor", [r[0] for r in await cursor.fetch(2)], [11, 12])
        await c.execute("CREATE TABLE marts.ap (a int, b text, d date)")
        await c.copy_records_to_table("ap", schema_name="marts", records=[(1, "x", datetime.date(2024, 1, 1)), (2, None, None)])
        check("asyncpg COPY", await c.fetchval("SELECT count(*) FROM marts.ap"), 2)
        await c.close()
        pool = await asyncpg.create_pool(uri(s), min_size=2, max_size=4)
        check("asyncpg pool", sorted(await asyncio.gather(*[pool.fetchval("SELECT $1::int", i) for i in range(20)])), list(range(20)))
        await pool.close()

    asyncio.run(go())
    return version("asyncpg")


def run_pg8000(s):
    pg8000 = need("pg8000")
    import pg8000.dbapi
    import pg8000.native

    c = pg8000.dbapi.connect(user="test", host="127.0.0.1", port=s.port, database="lake")
    k = c.cursor()
    k.execute("SELECT * FROM marts.people WHERE id < %s ORDER BY id", (9,))
    check("pg8000 rows", [tuple(r) for r in k.fetchall()], ROWS)
    k.execute("SELECT b, ARRAY['p', 'q'] FROM marts.docs")
    check("pg8000 json", list(k.fetchone()), [{"a": "x", "b": 1}, ["p", "q"]])
    c.close()
    n = pg8000.native.Connection("test", host="127.0.0.1", port=s.port, database="lake")
    n.run("CREATE TABLE marts.p8 (a int, b text)")
    n.run("COPY marts.p8 FROM STDIN", stream=iter(["1\tx\n", "2\ty\n"]))
    check("pg8000 COPY", n.run("SELECT sum(a), max(b) FROM marts.p8"), [[3, "y"]])
    n.close()
    return version("pg8000")


def run_adbc(s):
    need("adbc_driver_postgresql")
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow as pa

    with adbc.connect(uri(s)) as c:
        k = c.cursor()
        k.execute("SELECT id, name, born, active, score FROM marts.people ORDER BY id")
        table = k.fetch_arrow_table()
        check("adbc rows", [tuple(r.values()) for r in table.to_pylist()], [(a, b, d, e, f) for a, b, _, d, e, f in ROWS])
        k.adbc_ingest("ingested", pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]}), mode="create", db_schema_name="marts")
        c.commit()
        k.execute("SELECT count(*), count(b), max(a) FROM marts.ingested")
        check("adbc ingest", k.fetchone(), (3, 2, 3))
        names = c.adbc_get_objects(depth="tables", db_schema_filter="marts").read_all().to_pylist()
        tables = {t["table_name"] for t in names[0]["catalog_db_schemas"][0]["db_schema_tables"]}
        assert {"people", "docs"} <= tables, tables
        print("ok   adbc objects")
    return version("adbc-driver-postgresql")


def run_connectorx(s):
    cx = need("connectorx")
    frame = cx.read_sql(uri(s), "SELECT id, name, score FROM marts.people", return_type="arrow", partition_on="id", partition_num=2)
    check("connectorx rows", sorted(frame.to_pydict()["id"]), [1, 2, 3])
    return version("connectorx")


def run_polars(s):
    pl = need("polars")
    need("connectorx")
    frame = pl.read_database_uri("SELECT * FROM marts.people ORDER BY id", uri(s))
    check("polars rows", [tuple(r) for r in frame.select("id", "name", "born", "active", "score").rows()], [(a, b, d, e, f) for a, b, _, d, e, f in ROWS])
    need("adbc_driver_postgresql")
    pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).write_database("marts.from_polars", uri(s), engine="adbc", if_table_exists="replace")
    check("polars write", pl.read_database_uri("SELECT count(*) AS n FROM marts.from_polars", uri(s), engine="adbc").item(), 2)
    return version("polars")


def run_pandas(s):
    pd, sqlalchemy = need("pandas", "sqlalchemy")
    need("psycopg2")
    engine = sqlalchemy.create_engine(f"postgresql+psycopg2://test@127.0.0.1:{s.port}/lake")
    frame = pd.read_sql("SELECT id, name, born FROM marts.people ORDER BY id", engine)
    check("pandas read_sql", list(frame["id"]), [1, 2, 3])
    frame["n"] = [1.5, 2.5, None]
    for mode in ("replace", "append", "replace"):
        frame.to_sql("from_pandas", engine, schema="marts", if_exists=mode, index=False, method="multi")
    check("pandas to_sql", pd.read_sql_table("from_pandas", engine, schema="marts")["n"].sum(), 4.0)
    chunks = [len(c) for c in pd.read_sql("SELECT g FROM generate_series(1, 2500) g", engine.connect().execution_options(stream_results=True), chunksize=1000)]
    check("pandas chunks", chunks, [1000, 1000, 500])
    engine.dispose()
    return version("pandas", "SQLAlchemy")


def run_duckdb(s):
    duckdb = need("duckdb")
    c = duckdb.connect()
    try:
        # The package duckdb-ext-postgres brings the file; other installations know where it is.
        found = [str(p) for base in sys.path for p in pathlib.Path(base).glob("duckdb_ext/extensions/*/*/postgres_scanner.duckdb_extension")]
        c.execute(f"LOAD '{found[0]}'" if found else "LOAD postgres_scanner")
    except Exception as e:
        raise Missing(f"the postgres extension: {str(e).splitlines()[0]}")
    c.execute(f"ATTACH '{dsn(s)}' AS pg (TYPE postgres)")
    got = c.execute("SELECT id, name, credit, born, active, score FROM pg.marts.people ORDER BY id").fetchall()
    check("duckdb rows", got, ROWS)
    check("duckdb filter", c.execute("SELECT count(*) FROM pg.marts.people WHERE active").fetchone(), (1,))
    check("duckdb view", c.execute("SELECT * FROM pg.marts.active").fetchall(), [(1, "Ada")])
    c.execute("CREATE TABLE pg.marts.from_duckdb AS SELECT i AS a, 'x' || i AS b FROM range(5000) t(i)")
    check("duckdb CREATE TABLE AS", c.execute("SELECT count(*), sum(a), max(b) FROM pg.marts.from_duckdb").fetchone(), (5000, 12497500, "x999"))
    c.execute("INSERT INTO pg.marts.from_duckdb VALUES (-1, 'new')")
    check("duckdb INSERT", c.execute("SELECT b FROM pg.marts.from_duckdb WHERE a = -1").fetchone(), ("new",))
    check("duckdb postgres_query", c.execute("SELECT * FROM postgres_query('pg', 'SELECT 1 AS one')").fetchone(), (1,))
    c.close()
    return version("duckdb")


def run_dlt(s):
    dlt = need("dlt")
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false")
    with tempfile.TemporaryDirectory() as folder:
        def pipe():
            return dlt.pipeline("apus", pipelines_dir=folder, dataset_name="landed", destination=dlt.destinations.postgres(f"postgresql://test:x@127.0.0.1:{s.port}/lake"))

        @dlt.resource(name="orders", primary_key="id", write_disposition="merge")
        def orders(rows):
            yield rows

        pipe().run(orders([{"id": i, "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "lines": [{"sku": "a"}, {"sku": "b"}]} for i in range(3)]))
        pipe().run(orders([{"id": 2, "at": None, "note": "changed", "lines": []}, {"id": 9, "lines": [{"sku": "z"}]}]))
    check("dlt merge", s.sql("SELECT id, note FROM landed.orders ORDER BY id"), [(0, None), (1, None), (2, "changed"), (9, None)])
    check("dlt children", s.sql("SELECT count(*) FROM landed.orders__lines"), [(5,)])
    return version("dlt")


GO = """1 Ada 10.50 2024-01-01 true 1.5
2 Çelik -3.25 2024-02-29 false 0
3   0001-01-01 false 0.1
prepared 42 2024-03-01T12:00:00Z
writes 2 2 [0 255]
cancelled true
error true
array a|b,"|c
"""
NODE = """["1","Ada","10.50","2024-01-01",true,1.5]
["2","Çelik","-3.25","2024-02-29",false,null]
["3",null,null,null,null,0.1]
json {"j":{"a":[1,2]},"b":{"a":"x","b":1},"list":["p","q"],"seen":"2024-01-01T10:00:00.000Z"}
prepared 40
prepared 41
writes 2 INSERT [{"a":1,"b":"ü","c":{"type":"Buffer","data":[0,255]}},{"a":2,"b":null,"c":null}]
error 22012 ERROR
cursor 10 [{"g":11},{"g":12}]
timeout 57014
pool 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19
"""


def program(*command, **environment):
    folder = pathlib.Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env={**os.environ, **environment})
    if "cannot find package" in done.stderr or "Cannot find module" in done.stderr:
        raise Missing(done.stderr.strip().splitlines()[0])
    return done.stdout


# Debian's Go libraries: golang-github-lib-pq-dev and golang-github-jackc-pgx-v4-dev.
def go(driver, uri):
    if not shutil.which("go"):
        raise Missing("go")
    return program("go", "run", "go/main.go", driver, uri, GO111MODULE="off", GOPATH="/usr/share/gocode")


def run_libpq_go(s):
    check("lib/pq", go("lib/pq", uri(s)), GO + "COPY 1002\n")
    return "golang-github-lib-pq " + debian("golang-github-lib-pq-dev")


def run_pgx(s):
    check("pgx", go("pgx", uri(s)), GO + "COPY 1000 1002\nbatch 2450\n")
    return "golang-github-jackc-pgx-v4 " + debian("golang-github-jackc-pgx-v4-dev")


# Debian's node-pg, or npm's where NODE_PATH says.
def run_node(s):
    if not shutil.which("node"):
        raise Missing("node")
    check("node-pg", program("node", "node.js", uri(s)), NODE)
    return "node-pg " + program("node", "-e", "console.log(require('pg/package.json').version)").strip()


def debian(package):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True).stdout


def run_pg_dump(s):
    if not shutil.which("pg_dump"):
        raise Missing("pg_dump")
    text = subprocess.run(["pg_dump", "--schema-only", uri(s)], capture_output=True, text=True, timeout=120)
    check("pg_dump", text.returncode, 0) if text.returncode == 0 else sys.exit(text.stderr)
    for part in ("CREATE SCHEMA marts", "CREATE TABLE marts.people", "credit numeric(12,2)", "CREATE VIEW marts.active", "jsonb"):
        assert part in text.stdout, f"{part} is not in the dump"
    print("ok   pg_dump's text")
    return subprocess.run(["pg_dump", "--version"], capture_output=True, text=True).stdout.strip()


def run_pgbouncer(s):
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not os.path.exists(program):
        raise Missing("pgbouncer")
    port = free_port()
    folder = tempfile.mkdtemp(prefix="apus-pgbouncer-")
    os.chmod(folder, 0o777)
    for mode in ("session", "transaction", "statement"):
        path = os.path.join(folder, mode + ".ini")
        with open(path, "w") as f:
            f.write(f"[databases]\nlake = host=127.0.0.1 port={s.port} user=test\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
                    f"unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nmax_client_conn = 200\ndefault_pool_size = 5\nlogfile = {folder}/{mode}.log\npidfile = {folder}/{mode}.pid\n")
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, *as_user, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            found = []

            def client(i):
                with psycopg.connect(f"host=127.0.0.1 port={port} user=test dbname=lake", autocommit=True, prepare_threshold=None) as c:
                    found.append(c.execute("SELECT %s::int + count(*)::int FROM marts.people", (i,)).fetchone()[0])

            threads = [threading.Thread(target=client, args=(i,)) for i in range(40)]
            [t.start() for t in threads]
            [t.join() for t in threads]
            check(f"pgbouncer, {mode} pooling", sorted(found), [i + 3 for i in range(40)])
        finally:
            process.terminate()
            process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def run_connections(s):
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    open_ones = [psycopg.connect(dsn(s) + " sslmode=disable") for _ in range(1000)]
    check("1,000 connections answer", sum(c.execute("SELECT 1").fetchone()[0] for c in open_ones), 1000)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        psycopg.connect(dsn(s) + " sslmode=disable").close()
        times.append((time.perf_counter() - start) * 1e3)
    for c in open_ones:
        c.close()
    return f"a connection takes {sorted(times)[100]:.2f} ms beside 1,000 others"


def main():
    wanted = sys.argv[1:]
    clients = {name[4:]: f for name, f in globals().items() if name.startswith("run_")}
    failed, lines = [], []
    with serving(max_connections=1100) as s:
        for statement in SETUP.strip().split(";\n"):
            s.sql(statement)
        with psycopg.connect(dsn(s), autocommit=True) as c:
            c.cursor().executemany("INSERT INTO marts.people VALUES (%s, %s, %s, %s, %s, %s)", ROWS)
        for name, client in clients.items():
            if wanted and name not in wanted:
                continue
            try:
                lines.append(f"{name:<12} passed   {client(s)}")
            except Missing as e:
                lines.append(f"{name:<12} left out {e}")
            except BaseException:
                failed.append(name)
                traceback.print_exc()
                lines.append(f"{name:<12} FAILED")
    print("\n".join(lines))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
