#!/usr/bin/env python3
"""A table of 400,000 files in 1,100 partitions: what planning one day and planning all of it cost.

    python3 Tests/Bench/many_files.py --binary .build/release/apus [--folder DIR] [--days 1100] [--files 364]

The files are hard links to a few small Parquet files. Needs pyarrow and psycopg. Prints milliseconds and peak memory.
"""
import argparse
import datetime
import os
import pathlib
import socket
import subprocess
import tempfile
import time

LINKS_MAX = 60_000  # ext4 allows 65,000 names for one file


def make(folder, days, files):
    """Fills the folder, unless that was done before."""
    import pyarrow
    import pyarrow.parquet

    done = folder / ".made"
    if done.exists() and done.read_text() == f"{days} {files}":
        return
    folder.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table({"id": list(range(10)), "v": [x * 1.5 for x in range(10)]})
    source, links, sources = None, LINKS_MAX, 0
    for day in range(days):
        place = folder / "table" / f"dt={datetime.date(2022, 1, 1) + datetime.timedelta(days=day)}"
        place.mkdir(parents=True, exist_ok=True)
        for file in range(files):
            if links >= LINKS_MAX:
                source, links, sources = folder / f"source-{sources}.parquet", 0, sources + 1
                pyarrow.parquet.write_table(table, source)
            try:
                os.link(source, place / f"part-{file:05d}-0123456789abcdef.parquet")
            except FileExistsError:
                pass
            links += 1
    done.write_text(f"{days} {files}")


def peak_mib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", default=".build/release/apus")
    arguments.add_argument("--folder", default=tempfile.gettempdir() + "/apus-many-files")
    arguments.add_argument("--days", type=int, default=1100)
    arguments.add_argument("--files", type=int, default=364)
    arguments.add_argument("--port", type=int, default=18141)
    given = arguments.parse_args()
    folder = pathlib.Path(given.folder)
    make(folder, given.days, given.files)
    import psycopg

    with tempfile.TemporaryDirectory() as data:
        command = [given.binary, "serve", "--port", str(given.port), "--http-port", "0", "--data-dir", data]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", given.port)).close()
                    break
                except OSError:
                    time.sleep(0.1)
            with psycopg.connect(f"host=127.0.0.1 port={given.port} user=apus dbname=lake", autocommit=True) as session:
                measure(session, server.pid, folder, given)
        finally:
            server.terminate()
            server.wait()


def measure(session, pid, folder, given):
    def run(sql):
        start = time.monotonic()
        rows = session.execute(sql).fetchall()
        return rows, (time.monotonic() - start) * 1000

    start = time.monotonic()
    session.execute(
        "CREATE EXTERNAL TABLE t (id bigint, v double precision) PARTITIONED BY (dt date) "
        f"STORED AS PARQUET LOCATION '{folder}/table/'"
    )
    print(f"create: {(time.monotonic() - start) * 1000:.0f} ms, peak {peak_mib(pid):.0f} MiB")
    one = "SELECT count(*), sum(id) FROM t WHERE dt = '2022-01-01'"
    for name in ["cold", "warm", "warm", "warm"]:
        rows, milliseconds = run(one)
        assert rows[0][0] == given.files * 10, rows
        print(f"one day, {name}: {milliseconds:.0f} ms, peak {peak_mib(pid):.0f} MiB")
    for line in session.execute("EXPLAIN ANALYZE " + one).fetchall():
        if "Files:" in line[0] or "Bytes Read" in line[0] or "Time" in line[0]:
            print("   ", line[0].strip())
    for name in ["first", "again"]:
        _, milliseconds = run("SELECT id FROM t LIMIT 1")
        print(f"all of it planned, one row read, {name}: {milliseconds:.0f} ms, peak {peak_mib(pid):.0f} MiB")


if __name__ == "__main__":
    main()
