# One Apus attaches another one's Iceberg REST catalog: reads and writes its tables by three-part names, on two branches.
# See README.md beside this file.
import os, psycopg
from serving import check, serving


def session(server):
    return psycopg.connect(f"host=127.0.0.1 port={server.port} user=test dbname=lake", autocommit=True)


def rows(c, text):
    cursor = c.execute(text)
    return cursor.fetchall() if cursor.description else None


def refused(what, c, text, state):
    try:
        c.execute(text)
    except psycopg.Error as e:
        return check(what, e.sqlstate, state)
    raise AssertionError(f"{what} was not refused")


def attached(far, near):
    far.sql("CREATE SCHEMA sales")
    far.sql("CREATE TABLE sales.orders (id bigint NOT NULL, region text, price numeric(10,2)) PARTITIONED BY (region)")
    far.sql("INSERT INTO sales.orders SELECT i, 'r' || i % 3, i * 1.5 FROM generate_series(1, 100) AS s(i)")
    far.sql("CREATE BRANCH dev")
    c = session(near)
    refused("before ATTACH", c, "SELECT * FROM far.sales.orders", "0A000")
    c.execute(f"ATTACH '{far.uri}' AS far (TYPE iceberg_rest)")
    c.execute(f"ATTACH '{far.uri}/' AS fardev (TYPE iceberg_rest, BRANCH 'dev')")
    refused("the same name again", c, f"ATTACH '{far.uri}' AS far (TYPE iceberg_rest)", "42P04")
    refused("an unknown type", c, f"ATTACH '{far.uri}' AS x (TYPE cobol)", "0A000")
    refused("an unknown option", c, f"ATTACH '{far.uri}' AS x (TYPE iceberg_rest, COLOUR 'red')", "22023")
    refused("nobody there", c, "ATTACH 'http://127.0.0.1:1' AS x (TYPE iceberg_rest)", "08001")
    refused("an unknown table", c, "SELECT * FROM far.sales.nothing", "42P01")
    refused("an unknown schema", c, "CREATE TABLE far.nothing.t (a int)", "3F000")
    same = lambda what, table="sales.orders", branch="main", name="far": check(what, sorted(rows(c, f"SELECT * FROM {name}.{table}"), key=str), sorted(far.sql(f"SELECT * FROM {table}", branch), key=str))
    same("reading")
    check("a join of two catalogs", rows(c, "SELECT count(*) FROM far.sales.orders a JOIN (SELECT generate_series AS i FROM generate_series(1, 10)) b ON a.id = b.i"), [(10,)])
    c.execute("INSERT INTO far.sales.orders SELECT i, 'new', 1 FROM generate_series(200, 210) AS s(i)")
    same("INSERT")
    check("rows", far.sql("SELECT count(*) FROM sales.orders"), [(111,)])
    c.execute("UPDATE far.sales.orders SET price = price * 2 WHERE id < 10")
    same("UPDATE")
    c.execute("DELETE FROM far.sales.orders WHERE id % 10 = 0")
    same("DELETE")
    c.execute("MERGE INTO far.sales.orders t USING (SELECT 1 AS id UNION ALL SELECT 999) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET region = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'merged', 0)")
    same("MERGE")
    c.execute("ALTER TABLE far.sales.orders ADD COLUMN note text")
    c.execute("ALTER TABLE far.sales.orders RENAME COLUMN price TO amount")
    c.execute("INSERT INTO far.sales.orders VALUES (1000, 'r', 1, 'evolved')")
    same("a changed schema")
    c.execute("ALTER TABLE far.sales.orders SET PARTITIONED BY (bucket(4, id))")
    c.execute("INSERT INTO far.sales.orders VALUES (1001, 'r', 1, 'spec')")
    same("a changed partitioning")
    c.execute("CREATE TABLE far.sales.copied AS SELECT id, note FROM far.sales.orders WHERE note IS NOT NULL")
    same("CREATE TABLE AS", "sales.copied")
    c.execute("CREATE TABLE far.sales.empty (id int, at timestamp) PARTITIONED BY (day(at))")
    same("CREATE TABLE", "sales.empty")
    c.execute("CREATE TABLE near AS SELECT * FROM far.sales.orders")
    check("a copy into the lake", rows(c, "SELECT count(*) FROM near"), far.sql("SELECT count(*) FROM sales.orders"))

    before = len(far.sql("SHOW LOG LIMIT 1000"))
    c.execute("BEGIN")
    c.execute("INSERT INTO far.sales.orders VALUES (2000, 'tx', 1, NULL)")
    c.execute("INSERT INTO far.sales.empty VALUES (1, '2026-11-21')")
    check("own writes are seen", rows(c, "SELECT count(*) FROM far.sales.orders WHERE id = 2000"), [(1,)])
    check("by nobody else", far.sql("SELECT count(*) FROM sales.orders WHERE id = 2000"), [(0,)])
    far.sql("INSERT INTO sales.orders VALUES (3000, 'other', 1, NULL)")
    check("nor theirs by the transaction", rows(c, "SELECT count(*) FROM far.sales.orders WHERE id = 3000"), [(0,)])
    c.execute("COMMIT")
    check("two tables in one commit", len(far.sql("SHOW LOG LIMIT 1000")) - before, 2)
    check("replayed over the other's", far.sql("SELECT id FROM sales.orders WHERE id >= 2000 ORDER BY id"), [(2000,), (3000,)])
    c.execute("BEGIN")
    c.execute("DELETE FROM far.sales.orders WHERE id = 3000")
    far.sql("DELETE FROM sales.orders WHERE id = 3000")
    refused("a true conflict", c, "COMMIT", "40001")
    c.execute("ROLLBACK")
    c.execute("BEGIN")
    c.execute("INSERT INTO far.sales.empty VALUES (2, NULL)")
    refused("writing to two databases", c, "INSERT INTO near SELECT * FROM near", "0A000")
    c.execute("ROLLBACK")
    same("nothing is left of it", "sales.empty")

    c.execute("DELETE FROM fardev.sales.orders WHERE id > 50")
    same("a branch", name="fardev", branch="dev")
    check("rows of the branch", (len(far.sql("SELECT * FROM sales.orders", "dev")), rows(c, "SELECT count(*) > 60 FROM far.sales.orders")), (50, [(True,)]))
    c.execute("DROP TABLE far.sales.copied")
    refused("a dropped table", c, "SELECT * FROM far.sales.copied", "42P01")
    c.execute("ALTER TABLE far.sales.empty RENAME TO renamed")
    same("a renamed table", "sales.renamed")
    far.sql("ALTER BRANCH dev SET (protected = true)")
    refused("a protected branch", c, "INSERT INTO fardev.sales.orders (id) VALUES (1)", "42501")
    c.execute("DETACH far")
    refused("after DETACH", c, "SELECT * FROM far.sales.orders", "0A000")
    c.close()
    refused("ATTACH is the session's", session(near), "SELECT * FROM fardev.sales.orders", "0A000")


def scans(far, near):
    c = session(near)
    path = far.sql("SELECT * FROM sales.orders")
    table = next(d for d in sorted(os.listdir(f"{far.folder}/data/lake/sales")) if d.startswith("orders"))
    folder = f"{far.folder}/data/lake/sales/{table}"
    newest = sorted(os.listdir(folder + "/metadata"), key=lambda n: os.path.getmtime(f"{folder}/metadata/{n}"))
    files = [n for n in newest if n.endswith(".metadata.json")]
    check("iceberg_scan of a folder", rows(c, f"SELECT count(*) > 0 FROM iceberg_scan('{folder}')"), [(True,)])
    check("iceberg_scan of a file", rows(c, f"SELECT count(*) FROM iceberg_scan('{folder}/metadata/{files[0]}')"), [(0,)])
    check("columns and conditions", rows(c, f"SELECT min(id), max(region) FROM iceberg_scan('{folder}/metadata/{files[1]}') WHERE id > 98"), [(99, "r1")])
    refused("an unknown option", c, f"SELECT * FROM iceberg_scan('{folder}', colour => 'red')", "22023")
    refused("no table there", c, f"SELECT * FROM iceberg_scan('{far.folder}')", "58P01")


if __name__ == "__main__":
    first = int(os.environ.get("APUS_TEST_PORT", "0"))
    with serving() as far:
        if first:
            os.environ["APUS_TEST_PORT"] = str(first + 2)
        with serving() as near:
            attached(far, near)
            scans(far, near)
        with serving(attach=f"ATTACH '{far.uri}' AS far (TYPE iceberg_rest, TOKEN 'x');") as near:
            check("attached by the configuration", near.sql("SELECT count(*) > 0 FROM far.sales.orders"), [(True,)])
    print("all done")
