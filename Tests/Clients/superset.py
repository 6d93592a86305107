"""Superset against Apus: registers the database, syncs a dataset, draws a bar chart and a time series, runs SQL Lab. It
runs in this process, with its own metadata in a SQLite file.

    python3 -m venv /tmp/superset
    /tmp/superset/bin/pip install apache-superset==6.1.0 flask-caching==2.3.0 rich cachetools psycopg2-binary 'psycopg[binary]'
    /tmp/superset/bin/python Tests/Clients/superset.py"""
import os
import pathlib
import subprocess
import sys
import tempfile

# This file has the package's name: its folder must not come first when Superset is imported.
HERE = str(pathlib.Path(__file__).resolve().parent)
sys.path = [p for p in sys.path if p != HERE] + [HERE]

from serving import check, serving

SALES = """CREATE TABLE sales (id bigint, product text, price numeric(10,2), sold_at timestamp);
INSERT INTO sales SELECT i, (ARRAY['pen', 'ink', 'box'])[i % 3 + 1], i * 1.5, timestamp '2026-01-01' + i * interval '6 hours'
FROM generate_series(1, 100) i"""


def main(server, folder):
    config = pathlib.Path(folder, "config.py")
    config.write_text(
        f"SECRET_KEY = {'x' * 42!r}\nSQLALCHEMY_DATABASE_URI = 'sqlite:///{folder}/superset.db'\n"
        "WTF_CSRF_ENABLED = False\nTALISMAN_ENABLED = False\nRATELIMIT_ENABLED = False\n")
    os.environ.update(SUPERSET_CONFIG_PATH=str(config), FLASK_APP="superset")
    program = str(pathlib.Path(sys.executable).parent / "superset")
    admin = ["--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "a@b.c", "--password", "admin"]
    for arguments in (["db", "upgrade"], ["fab", "create-admin", *admin], ["init"]):
        subprocess.run([program, *arguments], check=True, capture_output=True)
    for statement in SALES.split(";"):
        server.sql(statement)

    from superset.app import create_app

    client = create_app().test_client()
    login = dict(username="admin", password="admin", provider="db")
    token = client.post("/api/v1/security/login", json=login).json["access_token"]

    def call(method, path, **body):
        answer = getattr(client, method)("/api/v1/" + path, headers={"Authorization": f"Bearer {token}"}, **body)
        return answer.status_code, answer.json

    uri = f"postgresql+psycopg2://test@127.0.0.1:{server.port}/lake"
    check("test connection", call("post", "database/test_connection/", json=dict(sqlalchemy_uri=uri))[0], 200)
    status, made = call("post", "database/", json=dict(database_name="lake", sqlalchemy_uri=uri, expose_in_sqllab=True))
    check("database", status, 201)
    database = made["id"]
    check("schemas", "public" in call("get", f"database/{database}/schemas/")[1]["result"], True)
    tables = call("get", f"database/{database}/tables/?q=(schema_name:public)")[1]["result"]
    check("tables", [table["value"] for table in tables], ["sales"])
    status, made = call("post", "dataset/", json=dict(database=database, schema="public", table_name="sales"))
    check("dataset", status, 201)
    dataset = made["id"]
    check("dataset sync", call("put", f"dataset/{dataset}/refresh")[0], 200)
    columns = call("get", f"dataset/{dataset}")[1]["result"]["columns"]
    check("columns", {c["column_name"]: c["type"] for c in columns}, {
        "id": "BIGINT", "product": "TEXT", "price": "NUMERIC(10, 2)", "sold_at": "TIMESTAMP WITHOUT TIME ZONE"})

    total = dict(expressionType="SQL", sqlExpression="sum(price)", label="total")
    query = dict(columns=["product"], metrics=[total], orderby=[["total", False]], row_limit=2,
                 filters=[dict(col="id", op="<=", val=90)])
    chart = dict(datasource=dict(id=dataset, type="table"), force=True, queries=[query])
    status, answer = call("post", "chart/data", json=chart)
    expected = server.sql("SELECT product, sum(price)::float8 FROM sales WHERE id <= 90 GROUP BY 1 ORDER BY 2 DESC LIMIT 2")
    rows = [(row["product"], float(row["total"])) for row in answer["result"][0]["data"]]
    check("chart", (status, rows), (200, expected))
    axis = dict(columnType="BASE_AXIS", sqlExpression="sold_at", label="sold_at", expressionType="SQL", timeGrain="P1W")
    query.update(columns=[axis], filters=[], orderby=[], row_limit=100, granularity="sold_at", time_range="No filter")
    status, answer = call("post", "chart/data", json=chart)
    weeks = server.sql("SELECT count(DISTINCT date_trunc('week', sold_at)) FROM sales")[0][0]
    check("time series", (status, len(answer["result"][0]["data"])), (200, weeks))

    def lab(sql, number):
        return call("post", "sqllab/execute/", json=dict(
            database_id=database, sql=sql, schema="public", runAsync=False, client_id=f"client{number}", tab="t",
            sql_editor_id="1"))

    status, answer = lab("SELECT product, count(*) AS n FROM sales GROUP BY 1 ORDER BY 1", 1)
    check("SQL Lab", (status, answer["data"]), (200, [{"product": p, "n": n} for p, n in server.sql(
        "SELECT product, count(*) FROM sales GROUP BY 1 ORDER BY 1")]))
    status, answer = lab("SELECT nosuch FROM sales", 2)
    check("SQL Lab's error", answer["errors"][0]["error_type"], "COLUMN_DOES_NOT_EXIST_ERROR")
    print("superset: database, dataset sync, charts and SQL Lab passed")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        main(server, folder)
