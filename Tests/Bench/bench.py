"""Times Queries/bench on Apus and on DuckDB in one run: alternating, same files, same number of threads, equal rows.

Run: make bench ARGS="--data DIR [--set tpch|events] [--runs 5] [--only q01,q06]" (DIR/*.parquet become tables), or
make bench ARGS="--set raw|landing --s3 http://HOST:PORT --data s3://BUCKET/FOLDER [--runs 5]" (each folder of FOLDER
is a Hive table; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY sign; needs PyPI duckdb-extension-httpfs of DuckDB's version).
DuckDB's caches of files and metadata are off then, and Apus is started anew for each run, after its tables were made by
another process: it knows their definitions, and no file. --warm keeps the server of the run before.
Needs PyPI duckdb and psycopg[binary]. TPC-H data: PyPI tpchgen-cli, `tpchgen-cli -s 1 --format parquet --output-dir DIR`.
Prints wall and CPU medians in ms, their ratios, and geometric means; a query whose rows differ fails.
"""
import argparse
import contextlib
import decimal
import importlib
import math
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import duckdb
import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]


def close(a, b) -> bool:
    if isinstance(a, (int, float, decimal.Decimal)) and isinstance(b, (int, float, decimal.Decimal)):
        return math.isclose(float(a), float(b), rel_tol=1e-6, abs_tol=1e-9)
    return str(a) == str(b) if a is not None and b is not None else a is b


def same(left: list, right: list) -> bool:
    if len(left) != len(right):
        return False
    def key(row):
        return [f"{float(v):.4e}" if isinstance(v, (int, float, decimal.Decimal)) else str(v) for v in row]
    def equal(a, b):
        return all(close(x, y) for r, s in zip(a, b) for x, y in zip(r, s))
    return equal(left, right) or equal(sorted(left, key=key), sorted(right, key=key))


def process_cpu(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib(pid: int) -> int:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) >> 10
    return 0


class Server:
    """Apus with empty caches, and an empty catalog unless it is told where one is."""

    def __init__(self, options, home: str = "") -> None:
        self.home = home or tempfile.mkdtemp(prefix="apus-bench-")
        self.process = subprocess.Popen(
            [options.binary, "serve", "--port", str(options.port), "--http-port", "0", "--data-dir",
             self.home, "--threads", str(options.threads)],
            env=os.environ | ({"APUS_S3_ENDPOINT": options.s3, "APUS_CACHE_SIZE": "0"} if options.s3 else {}), stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(100):
            try:
                self.session = psycopg.connect(
                    f"host=127.0.0.1 port={options.port} dbname=lake user=bench", autocommit=True)
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        self.stop()
        sys.exit("the server did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def connect_s3(duck, endpoint: str) -> None:
    module = importlib.import_module("duckdb_extension_httpfs")
    version = duck.execute("PRAGMA version").fetchone()[0]
    duck.execute(f"LOAD '{pathlib.Path(module.__path__[0]) / 'extensions' / version / 'httpfs.duckdb_extension'}'")
    scheme, host = endpoint.split("://")
    duck.execute(
        f"CREATE SECRET bench (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}', "
        f"SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', ENDPOINT '{host}', URL_STYLE 'path', "
        f"USE_SSL {str(scheme == 'https').lower()}, REGION '{os.environ.get('AWS_REGION', 'us-east-1')}')")
    for name in ("enable_external_file_cache", "enable_http_metadata_cache", "parquet_metadata_cache"):
        duck.execute(f"SET {name} = false")


# The tables of a set, each with its partition keys; the columns of the landing drift over the years.
HIVE_TABLES = {
    "raw": {"orders": "year month day"},
    "landing": {"customers": "year month", "events": "year month day", "orders": "year month day",
                "refunds": "year month"},
}


def tables(options) -> list[tuple[str, str, str]]:
    """Name, what DuckDB reads, what Apus reads."""
    if options.s3 or options.set == "landing":
        drift = ", union_by_name = true" if options.set == "landing" else ""
        return [(name, f"read_parquet('{options.data}/{name}/**/*.parquet', hive_partitioning = true{drift}, hive_types = {{"
                 + ", ".join(f"{key}: INT" for key in keys.split()) + "})", f"{options.data}/{name}/")
                for name, keys in HIVE_TABLES[options.set].items()]
    files = sorted(pathlib.Path(options.data).glob("*.parquet"))
    return [(file.stem, f"read_parquet('{file}')", str(file)) for file in files]


def define(server: Server, options) -> None:
    for name, _, location in tables(options):
        server.session.execute(f"CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{location}'")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(ROOT / ".build/release/apus"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--set", default="tpch")
    parser.add_argument("--s3", default="")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--port", type=int, default=54399)
    parser.add_argument("--only", default="")
    parser.add_argument("--warm", action="store_true")
    options = parser.parse_args()

    duck = duckdb.connect()
    duck.execute(f"SET threads = {options.threads}")
    if options.s3:
        connect_s3(duck, options.s3)
    for name, source, _ in tables(options):
        duck.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")
    sys.exit(1 if run(duck, options, set(filter(None, options.only.split(",")))) else 0)


@contextlib.contextmanager
def serving(options, home: str = ""):
    server = Server(options, home)
    try:
        yield server
    finally:
        server.stop()


def made(options) -> str:
    """Where a catalog is that has the tables."""
    with serving(options) as server:
        define(server, options)
        return server.home


def measured(sql: str, execute, cpu) -> tuple[list, float, float]:
    before, start = cpu(), time.perf_counter()
    rows = execute(sql).fetchall()
    return rows, time.perf_counter() - start, cpu() - before


def turns(duck, sql: str, options, kept: list):
    """Yields DuckDB's and Apus' rows, time and CPU, in turns; the first is for warming up."""
    for _ in range(options.runs + 1):
        first = measured(sql, duck.execute, own_cpu)
        if options.s3 and not options.warm:
            with serving(options, options.home) as server:
                second = measured(sql, server.session.execute, lambda: process_cpu(server.pid))
        else:
            if not kept:
                kept.append(Server(options))
                define(kept[0], options)
            second = measured(sql, kept[0].session.execute, lambda: process_cpu(kept[0].pid))
        yield first, second


def run(duck, options, only: set) -> bool:
    kept: list = []
    options.home = made(options) if options.s3 and not options.warm else ""
    try:
        return compare(duck, options, only, kept)
    finally:
        for server in kept:
            server.stop()


def compare(duck, options, only: set, kept: list) -> bool:
    print(f"{'query':20}{'DuckDB':>10}{'Apus':>10}{'ratio':>8}{'cpu':>8}  (ms, medians of {options.runs})")
    ratios, cpus, failed = [], [], False
    for path in sorted((ROOT / "Queries/bench" / options.set).glob("*.sql")):
        if only and path.stem not in only and path.stem.split("_")[0] not in only:
            continue
        sql = path.read_text().strip().rstrip(";")
        try:
            pairs = list(turns(duck, sql, options, kept))
        except Exception as error:  # a query that fails is a result, too
            print(f"{path.stem:20}  {type(error).__name__}: {str(error).splitlines()[0][:110]}")
            failed = True
            continue
        a, b = (statistics.median(pair[side][1] for pair in pairs[1:]) for side in (0, 1))
        spent = [statistics.median(pair[side][2] for pair in pairs[1:]) for side in (0, 1)]
        cpu = spent[1] / max(0.005, spent[0])
        verdict = "" if same(pairs[-1][0][0], [tuple(row) for row in pairs[-1][1][0]]) else "  ROWS DIFFER"
        failed = failed or bool(verdict)
        ratios.append(b / a)
        cpus.append(max(0.01, cpu))
        print(f"{path.stem:20}{a * 1000:10.1f}{b * 1000:10.1f}{b / a:8.2f}{cpu:8.2f}{verdict}", flush=True)
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        cpu = math.exp(sum(map(math.log, cpus)) / len(cpus))
        print(f"geometric mean of ratios: time {mean:.2f}, CPU {cpu:.2f}; worst {max(ratios):.2f}"
              + (f"; peak memory of the server {peak_mib(kept[0].pid)} MiB" if kept else ""))
    return failed


if __name__ == "__main__":
    main()
