# Starts an Apus server on free ports with an empty lake, for the scripts beside this file.
import contextlib, os, pathlib, shutil, socket, subprocess, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder, program, settings, ports):
        self.folder, self.port, self.http = folder, *ports
        self.uri = f"http://127.0.0.1:{self.http}"
        lines = [f"{k} = {v}" for k, v in settings.items()]
        config = pathlib.Path(folder, "apus.conf")
        config.write_text("\n".join([f"data_dir = {folder}/data", f"port = {self.port}", f"http_port = {self.http}"] + lines) + "\n")
        self.log = open(pathlib.Path(folder, "server.log"), "w")
        self.process = subprocess.Popen([program, "serve", "--config", str(config)], stderr=self.log, stdout=self.log)
        for _ in range(300):
            try:
                urllib.request.urlopen(self.uri + "/health", timeout=1).read()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(pathlib.Path(folder, "server.log").read_text())
                time.sleep(0.1)

    def sql(self, text, branch="main", parameters=None):
        import psycopg

        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=test dbname=lake@{branch}", autocommit=True) as c:
            cursor = c.execute(text, parameters)
            return cursor.fetchall() if cursor.description else None

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@contextlib.contextmanager
def serving(**settings):
    """A server; APUS names the program, by default the newest build."""
    built = [ROOT / ".build" / kind / "apus" for kind in ("release", "debug")]
    program = os.environ.get("APUS") or max((p for p in built if p.exists()), key=lambda p: p.stat().st_mtime)
    first = int(os.environ.get("APUS_TEST_PORT", "0"))
    folder = tempfile.mkdtemp(prefix="apus-clients-")
    server = Server(folder, str(program), settings, (first, first + 1) if first else (free_port(), free_port()))
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def check(what, actual, expected):
    assert actual == expected, f"{what}:\n  got      {actual}\n  expected {expected}"
    print("ok  ", what, flush=True)
