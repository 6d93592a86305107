"""Two server processes on one PostgreSQL catalog: eight writers on each commit to main until there are enough commits.
Each commit is there once in the end, on both servers, and none is there that was not acknowledged.

Run: python3 Tests/Bench/two_servers.py --binary .build/release/apus [--commits 10000] [--port 17110] [--kill]
Starts PostgreSQL of the machine in a temporary folder. --kill ends one of the servers (SIGKILL) ten times on the way:
a commit whose answer was lost with it may then be there or not. Needs PyPI psycopg[binary].
"""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import psycopg

WRITERS = 8
SERVERS = 2


@contextlib.contextmanager
def postgres(folder: pathlib.Path):
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    bin_folder = found[-1] if found else pathlib.Path(shutil.which("initdb")).parent
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    data = folder / "pg"
    subprocess.run([*as_user, bin_folder / "initdb", "-D", data, "-U", "apus", "-A", "trust", "-E", "UTF8", "--locale=C"],
                   check=True, stdout=subprocess.DEVNULL, cwd=folder)
    with open(folder / "pg.log", "w") as log:
        server = subprocess.Popen([*as_user, bin_folder / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
                                  stdout=log, stderr=log, cwd=folder)
    try:
        url = f"postgresql:///postgres?host={folder}&user=apus"
        for _ in range(100):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(url).close()
                break
            time.sleep(0.1)
        yield url
    finally:
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGINT)
        server.wait()


class Server:
    def __init__(self, binary: str, port: int, url: str, folder: pathlib.Path):
        self.arguments = [binary, "serve", "--port", str(port), "--http-port", "0", "--data-dir", str(folder)]
        self.environment = os.environ | {"APUS_CATALOG": url}
        self.port, self.log = port, open(f"{folder}.log", "w")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.arguments, env=self.environment, stdout=self.log, stderr=self.log)
        for _ in range(300):
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return
            time.sleep(0.1)
        text = pathlib.Path(self.log.name).read_text()[-2000:]
        raise SystemExit(f"the server on port {self.port} does not start:\n{text}")

    def connect(self):
        return psycopg.connect(f"host=127.0.0.1 port={self.port} dbname=lake user=bench", autocommit=True,
                               connect_timeout=10)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Tally:
    def __init__(self, total: int):
        self.lock, self.left = threading.Lock(), total
        self.acknowledged, self.unknown, self.refused = [], [], 0

    def take(self) -> int | None:
        with self.lock:
            self.left -= 1
            return self.left if self.left >= 0 else None


def write(server: Server, name: str, tally: Tally):
    connection = None
    while (number := tally.take()) is not None:
        view = f"v_{name}_{number}"
        while True:
            try:
                connection = connection or server.connect()
            except psycopg.OperationalError:
                time.sleep(0.05)
                continue
            try:
                # A name of its own: that it is there says that the commit is; twice is an error.
                connection.execute(f"CREATE VIEW {view} AS SELECT {number} AS n")
                tally.acknowledged.append(view)
                break
            except psycopg.errors.SerializationFailure:
                with tally.lock:
                    tally.refused += 1
            except psycopg.OperationalError:
                tally.unknown.append(view)
                connection = None
                break


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=17_110)
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="apus-two-"))
    servers = []
    try:
        with postgres(folder) as url:
            servers = [Server(options.binary, options.port + n, url, folder / f"server{n}") for n in range(SERVERS)]
            tally = Tally(options.commits)
            threads = [threading.Thread(target=write, args=(server, f"{s}_{w}", tally))
                       for s, server in enumerate(servers) for w in range(WRITERS)]
            begin = time.monotonic()
            for thread in threads:
                thread.start()
            killed = 0
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.5)
                if options.kill and killed < 10:
                    victim = random.choice(servers)
                    victim.kill()
                    victim.start()
                    killed += 1
            seconds = time.monotonic() - begin
            check(servers, tally, options.commits, seconds, killed)
            for server in servers:
                server.kill()
            servers = []
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def check(servers: list, tally: Tally, total: int, seconds: float, killed: int):
    done = len(tally.acknowledged)
    print(f"{SERVERS} servers, {SERVERS * WRITERS} writers: {done} commits in {seconds:.1f} s, "
          f"{done / seconds:.0f} a second; {tally.refused} statements refused (40001), "
          f"{len(tally.unknown)} answers lost, {killed} kills")
    for server in servers:
        with server.connect() as connection:
            log = connection.execute(f"SHOW LOG LIMIT {2 * total + 10}").fetchall()
            text = collections.Counter(word.strip('",.') for row in log for word in set(" ".join(map(str, row)).split()))
            views = {row[0] for row in connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").fetchall()}
        lost = [view for view in tally.acknowledged if view not in views]
        foreign = views - set(tally.acknowledged) - set(tally.unknown)
        twice = [view for view in views if text[view] > 1 or text[f"public.{view}"] > 1]
        assert not lost, f"lost: {lost[:5]}"
        assert not foreign, f"nobody made: {sorted(foreign)[:5]}"
        assert not twice, f"twice: {twice[:5]}"
        assert len(log) == len(views) + 1, f"{len(log)} commits for {len(views)} views"
    print("none lost, none doubled")


main()
