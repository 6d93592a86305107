"""A dbt project from a raw Hive lake on S3 to marts on main, through a branch.

Run: python3 Tests/Clients/dbt/run.py [--apus .build/release/apus] [--port 17400] [--dbt dbt] [--orders 5000]
Needs PyPI dbt-postgres==1.9.*, psycopg[binary], pyarrow, moto[server], boto3; `make clients` installs them.

Two days of raw data arrive. After each, dbt builds ten models on `lake@dev` with eight threads, tests run there, and one
MERGE BRANCH publishes all of it. Meanwhile a reader of main asks for the marts without a pause: every answer must be the
state before a merge or the one after it, and after the first merge none may fail.
"""
import argparse
import datetime
import decimal
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import boto3
import psycopg
import pyarrow
import pyarrow.parquet

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUCKET = "landing"
COUNTRIES = ["de", "fr", "us", "br", "jp"]
PRODUCTS = ["Nest Box", "Feather Pen", "Swift Mug", "Wing Chair"]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def wait(what: str, check) -> None:
    for _ in range(300):
        try:
            return check()
        except Exception:
            time.sleep(0.1)
    sys.exit(f"{what} does not answer")


class Raw:
    """The raw lake: landing/raw/<stream>/year=/month=/day=/part.parquet."""

    def __init__(self, endpoint: str, orders: int) -> None:
        self.s3 = boto3.client(
            "s3", endpoint_url=endpoint, aws_access_key_id="key", aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self.random = random.Random(3)
        self.orders = orders

    def put(self, stream: str, day: datetime.date | None, rows: list[dict], schema: pyarrow.Schema) -> None:
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), sink)
        folder = f"year={day.year}/month={day.month}/day={day.day}/" if day else ""
        self.s3.put_object(Bucket=BUCKET, Key=f"raw/{stream}/{folder}part.parquet", Body=sink.getvalue().to_pybytes())

    def arrive(self, day: datetime.date, first: int, changed: int) -> None:
        """A day: new orders with their lines, and `changed` earlier orders with another status."""
        text, number, stamp = pyarrow.string(), pyarrow.int64(), pyarrow.timestamp("us")
        price = pyarrow.decimal128(10, 2)
        numbers = list(range(first, first + self.orders))
        at = datetime.datetime(day.year, day.month, day.day, 9)
        orders, lines = [], []
        for order in numbers + list(range(1, changed + 1)):
            status = self.random.choice(["paid", "paid", "open", "returned"]) if order >= first else "returned"
            orders.append({"order_id": order, "customer_id": order % 200 + 1, "status": status, "ordered_at": at})
        for order in numbers:
            for line in range(1, order % 4 + 2):
                lines.append({
                    "order_id": order, "line": line, "product": self.random.choice(PRODUCTS),
                    "quantity": self.random.randint(1, 5),
                    "price": decimal.Decimal(self.random.randint(100, 9_999)) / 100,
                })
        self.put("orders", day, orders, pyarrow.schema([
            ("order_id", number), ("customer_id", number), ("status", text), ("ordered_at", stamp)]))
        self.put("lines", day, lines, pyarrow.schema([
            ("order_id", number), ("line", pyarrow.int32()), ("product", text), ("quantity", pyarrow.int32()),
            ("price", price)]))
        customers = [
            {"customer_id": n, "name": f"Customer {n}{' II' if changed and n % 10 == 0 else ''}",
             "country": COUNTRIES[n % 5], "updated_at": at if n % 10 == 0 else datetime.datetime(2026, 1, 1)}
            for n in range(1, 201)
        ]
        self.put("customers", None, customers, pyarrow.schema([
            ("customer_id", number), ("name", text), ("country", text), ("updated_at", stamp)]))


class Reader(threading.Thread):
    """Polls the marts on main; keeps every different answer in the order it came."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.answers, self.errors, self.polls, self.stopped = port, [], [], 0, False

    def run(self) -> None:
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=reader dbname=lake", autocommit=True) as connection:
            while not self.stopped:
                try:
                    # Marts in several tables, a view over them, and the tables they come from, in one statement.
                    row = connection.execute(
                        "select by_day, by_region, by_customer, orders, (select count(*) from core.lines), "
                        "(select sum(revenue) from marts.revenue_by_day), (select count(*) from core.customers_history)"
                        " from marts.revenue"
                    ).fetchone()
                    if not self.answers or self.answers[-1] != row:
                        self.answers.append(row)
                except psycopg.Error as error:
                    if self.answers:
                        self.errors.append(str(error))
                self.polls += 1


def dbt(arguments: argparse.Namespace, work: pathlib.Path, *command: str) -> None:
    begin = time.time()
    environment = dict(os.environ, APUS_PORT=str(arguments.port), DBT_PROFILES_DIR=str(work))
    done = subprocess.run(
        [arguments.dbt, "--no-use-colors", *command], cwd=work, env=environment, capture_output=True, text=True
    )
    summary = [line for line in done.stdout.splitlines() if "PASS=" in line]
    print(f"  dbt {' '.join(command):10} {time.time() - begin:6.1f} s  {summary[-1].split('  ')[-1] if summary else ''}")
    if done.returncode != 0:
        print(done.stdout[-6_000:], done.stderr[-2_000:])
        sys.exit(f"dbt {' '.join(command)} failed")


def check(arguments: argparse.Namespace, work: pathlib.Path, raw: Raw) -> None:
    def connect(database: str) -> psycopg.Connection:
        return psycopg.connect(
            f"host=127.0.0.1 port={arguments.port} user=dbt dbname={database}", autocommit=True
        )

    wait("apus", lambda: connect("lake").close())
    main = connect("lake")
    main.execute(f"create schema raw location 's3://{BUCKET}/raw/'")
    reader = Reader(arguments.port)
    reader.start()
    days = [datetime.date(2026, 11, 20), datetime.date(2026, 11, 21)]
    published = []
    main.execute("create branch dev")
    dev = connect("lake@dev")

    for number, day in enumerate(days):
        raw.arrive(day, first=1 + number * arguments.orders, changed=number * 50)
        print(f"day {number + 1}: {arguments.orders} orders arrived")
        dbt(arguments, work, "seed")
        dbt(arguments, work, "run")
        dbt(arguments, work, "snapshot")
        dbt(arguments, work, "test")
        state = "select by_day, by_region, by_customer, orders from marts.revenue"
        expected = dev.execute(state).fetchone()
        if number == 0:
            # From now on no merge into main can bring marts that disagree.
            dev.execute("alter branch main add check marts_agree as (select * from marts.revenue where by_day <> by_region)")
        rows = main.execute("merge branch dev into main").fetchall()
        main.execute(f"create tag day{number + 1}")
        now = main.execute(state).fetchone()
        assert now == expected, f"main has {now}, dev had {expected}"
        published.append(now)
        print(f"  merged: {now[3]} orders, revenue {now[0]}")
    time.sleep(0.5)
    reader.stopped = True
    reader.join()
    seen = [row[:4] for row in reader.answers]
    print(f"reader: {reader.polls} polls, {len(seen)} states, {len(reader.errors)} errors")
    assert not reader.errors, reader.errors[0]
    assert seen == published, f"saw {seen}, published were {published}"
    assert all(row[0] == row[5] for row in reader.answers)
    tagged = main.execute("select orders from marts.revenue at tag day1").fetchone()
    assert tagged[0] == published[0][3], "the first day cannot be read by its tag"
    assert published[1][3] == 2 * arguments.orders
    history = main.execute("select count(*) from core.customers_history where dbt_valid_to is not null").fetchone()
    assert history[0] == 20, f"{history[0]} old versions of customers"
    comment = main.execute("select obj_description('core.orders'::regclass)").fetchone()
    assert comment[0].startswith("One row an order"), comment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apus", default=str(ROOT / ".build" / "release" / "apus"))
    parser.add_argument("--port", type=int, default=17_400)
    parser.add_argument("--dbt", default="dbt")
    parser.add_argument("--orders", type=int, default=5_000)
    arguments = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="apus-dbt-"))
    shutil.copytree(HERE, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run.py", "target", "logs"))
    endpoint = f"http://127.0.0.1:{arguments.port + 1}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    moto = subprocess.Popen(["moto_server", "-H", "127.0.0.1", "-p", str(arguments.port + 1)], **quiet)
    log = open(work / "apus.log", "w")
    environment = dict(os.environ, AWS_ENDPOINT_URL=endpoint, **CREDENTIALS)
    apus = subprocess.Popen(
        [arguments.apus, "serve", "--port", str(arguments.port), "--http-port", "0", "--data-dir", str(work / "data")],
        stdout=log, stderr=log, env=environment,
    )
    try:
        raw = Raw(endpoint, arguments.orders)
        wait("moto", lambda: raw.s3.create_bucket(Bucket=BUCKET))
        check(arguments, work, raw)
        print("passed")
    finally:
        apus.terminate()
        moto.terminate()
        apus.wait()
        moto.wait()
        shutil.rmtree(work, ignore_errors=True)


main()
