"""Times Queries/bench on Apus and on DuckDB in one run: alternating, same files, same number of threads, equal rows.

Run: make bench ARGS="--data DIR [--set tpch|events] [--runs 5] [--only q01,q06]" (DIR/*.parquet become tables).
Needs PyPI duckdb and psycopg[binary]. TPC-H data: PyPI tpchgen-cli, `tpchgen-cli -s 1 --format parquet --output-dir DIR`.
Prints wall and CPU medians in ms, their ratios, and geometric means; a query whose rows differ fails.
"""
import argparse
import decimal
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(ROOT / ".build/release/apus"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--set", default="tpch")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--port", type=int, default=54399)
    parser.add_argument("--only", default="")
    options = parser.parse_args()

    duck = duckdb.connect()
    duck.execute(f"SET threads = {options.threads}")
    folder = tempfile.mkdtemp(prefix="apus-bench-")
    server = subprocess.Popen(
        [options.binary, "serve", "--port", str(options.port), "--http-port", "0", "--data-dir", folder,
         "--threads", str(options.threads)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                apus = psycopg.connect(f"host=127.0.0.1 port={options.port} dbname=lake user=bench", autocommit=True)
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        else:
            sys.exit("the server did not start")
        for file in sorted(pathlib.Path(options.data).glob("*.parquet")):
            duck.execute(f"CREATE VIEW {file.stem} AS SELECT * FROM read_parquet('{file}')")
            apus.execute(f"CREATE EXTERNAL TABLE {file.stem} STORED AS PARQUET LOCATION '{file}'")
        only = set(filter(None, options.only.split(",")))
        failed = run(duck, apus, server.pid, options, only)
    finally:
        server.terminate()
        server.wait(10)
    sys.exit(1 if failed else 0)


def run(duck, apus, pid: int, options, only: set) -> bool:
    print(f"{'query':8}{'DuckDB':>10}{'Apus':>10}{'ratio':>8}{'cpu':>8}  (ms, medians of {options.runs})")
    ratios, cpus, failed = [], [], False
    for path in sorted((ROOT / "Queries/bench" / options.set).glob("*.sql")):
        if only and path.stem not in only:
            continue
        sql = path.read_text().strip().rstrip(";")
        times = {"duck": [], "apus": []}
        spent = {"duck": [], "apus": []}
        rows = {}
        try:
            for turn in range(options.runs + 1):
                for name in ("duck", "apus"):
                    cpu = own_cpu() if name == "duck" else process_cpu(pid)
                    start = time.perf_counter()
                    if name == "duck":
                        rows[name] = duck.execute(sql).fetchall()
                    else:
                        rows[name] = apus.execute(sql).fetchall()
                    wall = time.perf_counter() - start
                    cpu = (own_cpu() if name == "duck" else process_cpu(pid)) - cpu
                    if turn > 0:
                        times[name].append(wall)
                        spent[name].append(cpu)
        except Exception as error:  # a query that fails is a result, too
            print(f"{path.stem:8}  {type(error).__name__}: {str(error).splitlines()[0][:110]}")
            failed = True
            continue
        a, b = statistics.median(times["duck"]), statistics.median(times["apus"])
        cpu = statistics.median(spent["apus"]) / max(0.005, statistics.median(spent["duck"]))
        verdict = "" if same(rows["duck"], [tuple(row) for row in rows["apus"]]) else "  ROWS DIFFER"
        failed = failed or bool(verdict)
        ratios.append(b / a)
        cpus.append(max(0.01, cpu))
        print(f"{path.stem:8}{a * 1000:10.1f}{b * 1000:10.1f}{b / a:8.2f}{cpu:8.2f}{verdict}", flush=True)
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        cpu = math.exp(sum(map(math.log, cpus)) / len(cpus))
        print(f"geometric mean of ratios: time {mean:.2f}, CPU {cpu:.2f}; worst {max(ratios):.2f}; "
              f"peak memory of the server {peak_mib(pid)} MiB")
    return failed


if __name__ == "__main__":
    main()
