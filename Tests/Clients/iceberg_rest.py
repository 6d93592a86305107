# pyiceberg's RestCatalog and DuckDB's iceberg extension as clients of the REST catalog, on two branches: what they
# write Apus reads, and the other way round, row for row. See README.md beside this file.
import concurrent.futures, datetime, decimal, importlib, os, pathlib
import duckdb, pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import IntegerType, LongType, NestedField, StringType, TimestampType, DecimalType
from pyiceberg.view.metadata import SQLViewRepresentation, ViewVersion
from serving import check, serving


def py(server, branch=None, **more):
    extra = {"prefix": branch} if branch else {}
    return RestCatalog("apus", uri=server.uri, **extra, **more)


def duck(server, branch="main", token=None):
    c = duckdb.connect()
    for name in ("httpfs", "avro", "iceberg"):
        package = importlib.import_module("duckdb_extension_" + name)
        file = next(pathlib.Path(package.__path__[0]).rglob(f"v{duckdb.__version__}/{name}.duckdb_extension"))
        c.execute(f"LOAD '{file}'")
    rights = f"TOKEN '{token}'" if token else "AUTHORIZATION_TYPE 'none'"
    c.execute(f"ATTACH '{branch}' AS lake (TYPE iceberg, ENDPOINT '{server.uri}', {rights})")
    return c


def rows(table, *columns, **scan):
    data = table.scan(**scan).to_arrow()
    names = columns or data.column_names
    return sorted((tuple(r[n] for n in names) for r in data.to_pylist()), key=str)


def refused(what, kind, body):
    try:
        body()
    except kind as e:
        print("ok  ", what, "->", type(e).__name__, flush=True)
        return e
    raise AssertionError(f"{what} was not refused")


def pyiceberg_writes(server):
    main = py(server)
    main.create_namespace("sales", {"owner": "test"})
    check("namespaces", sorted(main.list_namespaces()), [("public",), ("sales",)])
    check("properties of a namespace", main.load_namespace_properties("sales"), {"owner": "test"})
    main.update_namespace_properties("sales", removals={"owner"}, updates={"team": "a"})
    check("changed properties", main.load_namespace_properties("sales"), {"team": "a"})
    refused("the same namespace again", NamespaceAlreadyExistsError, lambda: main.create_namespace("sales"))
    refused("an unknown namespace", NoSuchNamespaceError, lambda: main.list_tables("nothing"))
    refused("an unknown table", NoSuchTableError, lambda: main.load_table("sales.nothing"))
    schema = Schema(
        NestedField(10, "id", LongType(), required=True), NestedField(20, "name", StringType()),
        NestedField(30, "at", TimestampType()), NestedField(40, "amount", DecimalType(10, 2)))
    spec = PartitionSpec(PartitionField(30, 1000, DayTransform(), "at_day"), PartitionField(10, 1001, BucketTransform(4), "id_bucket"))
    t = main.create_table("sales.orders", schema, partition_spec=spec, properties={"made-by": "pyiceberg"})
    check("ids are the server's", [f.field_id for f in t.schema().fields], [1, 2, 3, 4])
    check("and those of the spec", [(f.source_id, f.field_id) for f in t.spec().fields], [(3, 1000), (1, 1001)])
    refused("the same table again", TableAlreadyExistsError, lambda: main.create_table("sales.orders", schema))
    day = lambda n: datetime.datetime(2026, 11, n, 12, 30)
    arrow = pa.schema([pa.field("id", pa.int64(), False), ("name", pa.string()), ("at", pa.timestamp("us")), ("amount", pa.decimal128(10, 2))])
    batch = lambda ids: pa.Table.from_pylist([{"id": i, "name": f"n{i}", "at": day(1 + i % 5), "amount": decimal.Decimal(i)} for i in ids], schema=arrow)
    t.append(batch(range(20)))
    expected = [(i, f"n{i}", day(1 + i % 5), decimal.Decimal(i)) for i in range(20)]
    check("Apus reads pyiceberg's append", server.sql("SELECT id, name, at, amount FROM sales.orders ORDER BY id"), expected)
    check("with pruning by partition", server.sql("SELECT count(*) FROM sales.orders WHERE at >= '2026-11-05' AND id = 9"), [(1,)])
    t.delete("id < 5")
    check("Apus reads pyiceberg's delete", server.sql("SELECT id FROM sales.orders ORDER BY id"), [(i,) for i in range(5, 20)])
    t.overwrite(batch([100]), "id >= 15")
    check("Apus reads pyiceberg's overwrite", [r[0] for r in server.sql("SELECT id FROM sales.orders ORDER BY id")], list(range(5, 15)) + [100])
    with t.update_schema() as u:
        u.add_column("note", StringType())
        u.rename_column("name", "label")
    with t.update_spec() as u:
        u.remove_field("id_bucket")
        u.add_field("label", IdentityTransform())
    extra = pa.Table.from_pylist([{"id": 7_000, "label": "z", "at": day(9), "amount": None, "note": "new"}], schema=t.schema().as_arrow())
    t.append(extra)
    check("Apus reads a changed schema and partitioning", server.sql("SELECT id, label, note FROM sales.orders WHERE id > 13 ORDER BY id"), [(14, "n14", None), (100, "n100", None), (7000, "z", "new")])
    with t.transaction() as tx:
        tx.set_properties(owner="me")
        tx.remove_properties("made-by")
    check("properties", {k: v for k, v in main.load_table("sales.orders").properties.items() if k in ("owner", "made-by")}, {"owner": "me"})
    stale = main.load_table("sales.orders")
    t.refresh()
    t.update_schema().add_column("one", LongType()).commit()
    refused("a change over a stale schema", CommitFailedException, lambda: stale.update_schema().add_column("two", LongType()).commit())
    refused("dropping a namespace with tables", NamespaceNotEmptyError, lambda: main.drop_namespace("sales"))


def apus_writes(server):
    server.sql("CREATE TABLE sales.lines (id bigint NOT NULL, region text, day date, price numeric(12,2), ok boolean) PARTITIONED BY (region)")
    server.sql("INSERT INTO sales.lines SELECT i, 'r' || i % 3, date '2026-01-01' + (i % 7)::int, i * 1.25, i % 2 = 0 FROM generate_series(1, 1000) AS s(i)")
    main = py(server)
    same = lambda what: check(what, rows(main.load_table("sales.lines")), sorted(server.sql("SELECT * FROM sales.lines"), key=str))
    same("pyiceberg reads Apus' INSERT")
    server.sql("UPDATE sales.lines SET price = price + 1, region = 'r9' WHERE id % 100 = 0")
    same("pyiceberg reads Apus' UPDATE")
    server.sql("DELETE FROM sales.lines WHERE id % 7 = 0")
    same("pyiceberg reads Apus' DELETE")
    server.sql("""MERGE INTO sales.lines t USING (SELECT i AS id, 'm' AS region FROM generate_series(990, 1010) AS s(i)) s ON t.id = s.id
                  WHEN MATCHED THEN UPDATE SET region = s.region
                  WHEN NOT MATCHED THEN INSERT (id, region) VALUES (s.id, s.region)""")
    same("pyiceberg reads Apus' MERGE")
    server.sql("ALTER TABLE sales.lines ADD COLUMN note varchar(20)")
    server.sql("ALTER TABLE sales.lines RENAME COLUMN ok TO fine")
    server.sql("INSERT INTO sales.lines (id, region, note) VALUES (5000, 'r1', 'evolved')")
    same("pyiceberg reads Apus' changed schema")
    server.sql("ALTER TABLE sales.lines SET PARTITIONED BY (bucket(4, id))")
    server.sql("INSERT INTO sales.lines (id, region, note) SELECT i, 'r2', 'spec' FROM generate_series(6000, 6020) AS s(i)")
    same("pyiceberg reads Apus' changed partitioning")
    c = duck(server)
    check("DuckDB reads the same rows", sorted(c.execute("SELECT * FROM lake.sales.lines").fetchall(), key=str), sorted(server.sql("SELECT * FROM sales.lines"), key=str))
    table = main.load_table("sales.lines")
    table.append(pa.Table.from_pylist([{"id": 9_999, "region": "py", "day": None, "price": None, "fine": True, "note": "x"}], schema=table.schema().as_arrow()))
    server.sql("INSERT INTO sales.lines (id) VALUES (10000)")
    same("both write one table in turns")


def duckdb_writes(server):
    c = duck(server)
    c.execute("CREATE SCHEMA lake.duck")
    c.execute("CREATE TABLE lake.duck.t (id INTEGER, s VARCHAR, d DATE)")
    c.execute("INSERT INTO lake.duck.t SELECT i, 's' || i, DATE '2026-01-01' + i::INTEGER FROM range(100) r(i)")
    read = lambda: sorted(server.sql("SELECT * FROM duck.t"), key=str)
    same = lambda what: check(what, read(), sorted(c.execute("SELECT * FROM lake.duck.t").fetchall(), key=str))
    same("Apus reads DuckDB's INSERT")
    check("rows", len(read()), 100)
    c.execute("DELETE FROM lake.duck.t WHERE id % 10 = 0")
    same("Apus reads DuckDB's DELETE")
    check("rows", len(read()), 90)
    c.execute("UPDATE lake.duck.t SET s = 'changed' WHERE id < 10")
    same("Apus reads DuckDB's UPDATE")
    c.execute("ALTER TABLE lake.duck.t ADD COLUMN extra BIGINT")
    c.execute("INSERT INTO lake.duck.t VALUES (1000, 'new', DATE '2026-02-02', 5)")
    same("Apus reads DuckDB's changed schema")
    server.sql("DELETE FROM duck.t WHERE id BETWEEN 20 AND 29")
    server.sql("UPDATE duck.t SET extra = id WHERE id > 90")
    c = duck(server)
    check("DuckDB reads Apus' changes of its table", sorted(c.execute("SELECT * FROM lake.duck.t").fetchall(), key=str), read())
    before = len(server.sql("SHOW LOG LIMIT 1000"))
    c.execute("CREATE TABLE lake.duck.u (id INTEGER)")
    c.execute("BEGIN")
    c.execute("INSERT INTO lake.duck.t VALUES (2000, 'both', NULL, NULL)")
    c.execute("INSERT INTO lake.duck.u VALUES (2000)")
    c.execute("COMMIT")
    check("two tables in one transaction", (server.sql("SELECT count(*) FROM duck.t WHERE id = 2000"), server.sql("SELECT * FROM duck.u")), ([(1,)], [(2000,)]))
    check("are one commit of the catalog", len(server.sql("SHOW LOG LIMIT 1000")) - before, 2)
    c.execute("CREATE TABLE lake.duck.v AS SELECT i AS id FROM range(10) r(i)")
    check("CREATE TABLE AS", server.sql("SELECT count(*), sum(id) FROM duck.v"), [(10, 45)])
    c.execute("BEGIN")
    c.execute("CREATE TABLE lake.duck.w (id INTEGER)")
    c.execute("INSERT INTO lake.duck.w VALUES (1)")
    c.execute("ROLLBACK")
    check("a table rolled back", ("duck", "w") in py(server).list_tables("duck"), False)
    c.execute("DROP TABLE lake.duck.v")
    c.execute("DROP TABLE lake.duck.u")
    check("a dropped table is gone", py(server).list_tables("duck"), [("duck", "t")])


def branches(server):
    server.sql("CREATE BRANCH dev")
    dev, main = py(server, "dev"), py(server)
    t = dev.load_table("sales.orders")
    t.delete("id < 10")
    check("a change on dev is seen there", server.sql("SELECT min(id) FROM sales.orders", "dev"), [(10,)])
    check("and not on main", server.sql("SELECT min(id) FROM sales.orders"), [(5,)])
    c = duck(server, "dev")
    c.execute("INSERT INTO lake.duck.t VALUES (3000, 'dev', NULL, NULL)")
    check("DuckDB writes on dev", server.sql("SELECT count(*) FROM duck.t WHERE id = 3000", "dev"), [(1,)])
    check("only", server.sql("SELECT count(*) FROM duck.t WHERE id = 3000"), [(0,)])
    other = RestCatalog("apus", uri=server.uri + "/iceberg/dev|warehouse")
    check("the branch in the URI", len(other.load_table("duck.t").scan().to_arrow()), len(server.sql("SELECT * FROM duck.t", "dev")))
    third = RestCatalog("apus", uri=server.uri, warehouse="dev")
    check("the branch as warehouse", third.load_table("sales.orders").metadata_location, t.refresh().metadata_location)
    refused("an unknown warehouse", Exception, lambda: RestCatalog("apus", uri=server.uri, warehouse="nothing"))
    server.sql("INSERT INTO duck.t (id, s) VALUES (4000, 'main')")
    server.sql("MERGE BRANCH dev INTO main")
    check("merged: both sides' rows", server.sql("SELECT id FROM duck.t WHERE id >= 3000 ORDER BY id"), [(3000,), (4000,)])
    check("as pyiceberg sees it", rows(main.load_table("duck.t"), "id", row_filter="id >= 3000"), [(3000,), (4000,)])
    check("and the delete", server.sql("SELECT min(id) FROM sales.orders"), [(10,)])
    server.sql("ALTER BRANCH main SET (protected = true)")
    e = refused("a change of a protected branch", Exception, lambda: main.load_table("duck.t").delete("id = 1"))
    assert "protected" in str(e), e
    server.sql("ALTER BRANCH main SET (protected = false)")
    log = server.sql("SHOW LOG LIMIT 5")
    print("     log:", log[0][2:], log[1][2:])


def names_and_views(server):
    main = py(server)
    main.rename_table("duck.t", "sales.t2")
    check("renamed", server.sql("SELECT count(*) > 0 FROM sales.t2"), [(True,)])
    location = main.load_table("sales.t2").metadata_location
    main.drop_table("sales.t2")
    refused("a dropped table", NoSuchTableError, lambda: main.load_table("sales.t2"))
    main.register_table("sales.again", location)
    check("registered by its file", server.sql("SELECT count(*) > 0 FROM sales.again"), [(True,)])
    check("exists", (main.table_exists("sales.again"), main.table_exists("sales.t2")), (True, False))
    server.sql("CREATE VIEW sales.v AS SELECT id, label FROM sales.orders WHERE id > 50")
    check("views are listed", main.list_views("sales"), [("sales", "v")])
    check("and not among the tables", ("sales", "v") in main.list_tables("sales"), False)
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "text", StringType()))
    version = ViewVersion(version_id=1, schema_id=0, timestamp_ms=1, summary={}, representations=[SQLViewRepresentation(type="sql", sql="SELECT id, label FROM orders WHERE id = 100", dialect="postgresql")], default_namespace=["sales"])
    main.create_view("sales.w", schema, version)
    check("pyiceberg's view is read by SQL", server.sql("SELECT id, text FROM sales.w"), [(100, "n100")])
    check("and comes back", main.load_view("sales.w").sql_for("postgresql").sql, "SELECT id, label FROM orders WHERE id = 100")
    main.drop_view("sales.w")
    main.drop_view("sales.v")
    check("a view is dropped", main.list_views("sales"), [])
    for name in main.list_tables("sales") + main.list_tables("duck"):
        main.drop_table(name)
    main.drop_namespace("duck")
    check("a dropped namespace", ("duck",) in main.list_namespaces(), False)


def tokens():
    with serving(trust_loopback="off", api_tokens="robot:secret1,ann:secret2", users="test:pw") as server:
        refused("no token", Exception, lambda: RestCatalog("apus", uri=server.uri).list_namespaces())
        refused("a wrong token", Exception, lambda: RestCatalog("apus", uri=server.uri, token="secret").list_namespaces())
        c = RestCatalog("apus", uri=server.uri, token="secret1")
        c.create_namespace("byrobot")
        check("a token", ("byrobot",) in c.list_namespaces(), True)
        c = RestCatalog("apus", uri=server.uri, credential="ann:secret2", **{"oauth2-server-uri": server.uri + "/v1/oauth/tokens"})
        check("client credentials", ("byrobot",) in c.list_namespaces(), True)
        c = duck(server, token="secret2")
        c.execute("CREATE TABLE lake.byrobot.t AS SELECT 1 AS a")
        check("DuckDB with a token", c.execute("SELECT * FROM lake.byrobot.t").fetchall(), [(1,)])


def versions(server):
    """Version 3: deletion vectors of both sides, row lineage."""
    c = duck(server)
    c.execute("CREATE SCHEMA lake.three")
    c.execute("CREATE TABLE lake.three.t (id INTEGER, s VARCHAR) WITH ('format-version' = '3')")
    c.execute("INSERT INTO lake.three.t SELECT i, 's' || i FROM range(1000) r(i)")
    c.execute("DELETE FROM lake.three.t WHERE id % 9 = 0")
    same = lambda what: check(what, sorted(server.sql("SELECT * FROM three.t")), sorted(duck(server).execute("SELECT * FROM lake.three.t").fetchall()))
    same("Apus reads DuckDB's deletion vectors")
    server.sql("DELETE FROM three.t WHERE id % 7 = 0")
    same("DuckDB reads Apus' deletion vectors over its own")
    c = duck(server)
    c.execute("DELETE FROM lake.three.t WHERE id % 5 = 0")
    same("and once more")
    server.sql("UPDATE three.t SET s = 'u' WHERE id < 20")
    duck(server).execute("INSERT INTO lake.three.t VALUES (5000, 'last')")
    same("rows in turns")
    check("how many", server.sql("SELECT count(*) FROM three.t"), [(sum(1 for i in range(1000) if i % 9 and i % 7 and i % 5) + 1,)])
    check("rows as pyiceberg counts them", len(py(server).load_table("three.t").scan().to_arrow()), server.sql("SELECT count(*) FROM three.t")[0][0])
    duck(server).execute("DROP TABLE lake.three.t")


def together(server):
    """Writers that never meet in a table never fail; those that do, win by trying again."""
    main = py(server)
    main.create_namespace("many")
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "who", LongType()))
    for n in range(6):
        main.create_table(f"many.t{n}", schema)
    main.create_table("many.shared", schema)
    conflicts = []

    def work(n):
        catalog = py(server)
        for i in range(5):
            row = pa.Table.from_pylist([{"id": i, "who": n}], schema=schema.as_arrow())
            catalog.load_table(f"many.t{n}").append(row)
            while True:
                try:
                    catalog.load_table("many.shared").append(row)
                    break
                except CommitFailedException:
                    conflicts.append(n)

    def insert(_):
        for i in range(10):
            server.sql(f"INSERT INTO many.shared VALUES ({i}, 100)")

    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        done = [pool.submit(work, n) for n in range(6)] + [pool.submit(insert, 0)]
        for d in done:
            d.result()
    check("tables of their own", [server.sql(f"SELECT count(*) FROM many.t{n}") for n in range(6)], [[(5,)]] * 6)
    check(f"one table, {len(conflicts)} tries more", server.sql("SELECT count(*), count(DISTINCT who * 100 + id) FROM many.shared"), [(40, 40)])
    for name in main.list_tables("many"):
        main.drop_table(name)


def upkeep(server):
    """What pyiceberg can do beside writing rows: staged creation, upserts, refs, expiry, nested columns."""
    main = py(server)
    main.create_namespace("more")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "s", StringType()), identifier_field_ids=[1])
    arrow = pa.schema([pa.field("id", pa.int64(), False), ("s", pa.string())])
    batch = lambda pairs: pa.Table.from_pylist([{"id": i, "s": s} for i, s in pairs], schema=arrow)
    with main.create_table_transaction("more.staged", schema, partition_spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "s"))) as tx:
        tx.append(batch([(1, "a"), (2, "b")]))
        tx.set_properties(k="v")
    check("a staged table with its first rows", server.sql("SELECT * FROM more.staged ORDER BY id"), [(1, "a"), (2, "b")])
    t = main.load_table("more.staged")
    check("its properties", t.properties["k"], "v")
    t.upsert(batch([(2, "B"), (3, "c")]))
    check("an upsert", server.sql("SELECT * FROM more.staged ORDER BY id"), [(1, "a"), (2, "B"), (3, "c")])
    t.dynamic_partition_overwrite(batch([(9, "a")]))
    check("partitions overwritten", server.sql("SELECT * FROM more.staged ORDER BY id"), [(2, "B"), (3, "c"), (9, "a")])
    first = t.history()[0].snapshot_id
    t.manage_snapshots().create_tag(first, "first").create_branch(first, "old").commit()
    check("a tag inside the table", server.sql(f"SELECT count(*) FROM iceberg_scan('{t.metadata.location}', ref => 'first')"), [(2,)])
    t.append(batch([(50, "x")]), branch="old")
    check("a branch inside the table does not move main", server.sql("SELECT count(*) FROM more.staged"), [(3,)])
    t.manage_snapshots().remove_tag("first").remove_branch("old").commit()
    t.maintenance.expire_snapshots().by_id(first).commit()
    check("an expired snapshot", first in [s.snapshot_id for s in main.load_table("more.staged").snapshots()], False)
    check("leaves the rows", server.sql("SELECT * FROM more.staged ORDER BY id"), [(2, "B"), (3, "c"), (9, "a")])
    with t.update_schema() as u:
        u.update_column("s", doc="a text")
        u.move_first("s")
    check("columns moved", list(server.sql("SELECT * FROM more.staged ORDER BY id")[0]), ["B", 2])
    nested = pa.schema([("id", pa.int64()), ("tags", pa.list_(pa.string())), ("at", pa.struct([("x", pa.float64()), ("y", pa.float64())])), ("m", pa.map_(pa.string(), pa.int64()))])
    n = main.create_table("more.nested", nested)
    n.append(pa.Table.from_pylist([{"id": 1, "tags": ["a", "b"], "at": {"x": 1.0, "y": 2.0}, "m": [("k", 1)]}], schema=nested))
    check("nested columns come back", n.scan().to_arrow().to_pylist()[0]["at"], {"x": 1.0, "y": 2.0})
    check("Apus reads the flat ones", server.sql("SELECT id FROM more.nested"), [(1,)])
    server.sql("INSERT INTO more.staged VALUES ('z', 100)")
    check("Apus writes after all that", rows(main.load_table("more.staged"), "id", "s"), [(100, "z"), (2, "B"), (3, "c"), (9, "a")])
    c = duck(server)
    c.execute("CREATE TABLE lake.more.part (id INTEGER, ts TIMESTAMP, r VARCHAR) PARTITIONED BY (r, day(ts))")
    c.execute("INSERT INTO lake.more.part SELECT i, TIMESTAMP '2026-01-01' + INTERVAL (i) HOUR, 'r' || i % 3 FROM range(100) r(i)")
    c.execute("MERGE INTO lake.more.part t USING (SELECT 5 AS id, 'm' AS r UNION ALL SELECT 1000, 'm') s ON t.id = s.id WHEN MATCHED THEN UPDATE SET r = s.r WHEN NOT MATCHED THEN INSERT VALUES (s.id, NULL, s.r)")
    check("Apus reads DuckDB's partitioned MERGE", sorted(server.sql("SELECT * FROM more.part"), key=str), sorted(c.execute("SELECT * FROM lake.more.part").fetchall(), key=str))
    check("with pruning", server.sql("SELECT count(*) FROM more.part WHERE r = 'r1' AND ts < '2026-01-02'"), [(8,)])
    server.sql("UPDATE more.part SET ts = ts + interval '1 day' WHERE r = 'r2'")
    check("DuckDB reads Apus' UPDATE across its partitions", sorted(duck(server).execute("SELECT * FROM lake.more.part").fetchall(), key=str), sorted(server.sql("SELECT * FROM more.part"), key=str))
    for name in main.list_tables("more"):
        main.drop_table(name)


def everything(server):
    pyiceberg_writes(server)
    apus_writes(server)
    duckdb_writes(server)
    branches(server)
    names_and_views(server)
    versions(server)
    together(server)
    upkeep(server)


if __name__ == "__main__":
    with serving() as server:
        everything(server)
    if os.environ.get("APUS_TEST_S3"):
        endpoint, key, secret, bucket = os.environ["APUS_TEST_S3"].split()
        # Stores other than Amazon's may not know the checksums that pyarrow sends.
        os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
        folder = f"s3://{bucket}/clients-{os.getpid()}"
        with serving(s3_endpoint=endpoint, s3_region="us-east-1", s3_access_key=key, s3_secret_key=secret, warehouse=folder, api_shares_s3_keys="on") as server:
            print("on S3", flush=True)
            everything(server)
    tokens()
    print("all done")
