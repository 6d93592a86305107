#!/usr/bin/env python3
"""Who gets in: connection rules, passwords in every form, TLS with channel binding, client certificates, a certificate that
changes, and that no password shows up anywhere. argv: the apus program. Needs psycopg (libpq) and openssl."""
import os, signal, subprocess, sys, tempfile, time, urllib.request

import psycopg

program, port = sys.argv[1], int(os.environ.get("APUS_TEST_PORT", "18210"))
folder = tempfile.mkdtemp()
failures = []


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)


def certificate(name, common, signer=None, key="rsa:2048", digest="-sha256"):
    extra = [] if key.startswith("rsa") else ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    if signer is None:
        openssl("req", "-x509", "-newkey", key, *extra, digest, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt",
                "-days", "2", "-subj", f"/CN={common}")
        return
    openssl("req", "-newkey", key, *extra, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/O=test/CN={common}")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.crt", "-CAkey", f"{signer}.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", "2", digest)


def check(name, body):
    try:
        result = body()
    except Exception as error:  # what it is says the test
        result = error
    good = result is True
    print(f"{'ok  ' if good else 'FAIL'} {name}" + ("" if good else f": {result!r}"), flush=True)
    if not good:
        failures.append(name)


def connect(user, password=None, database="lake", **options):
    options.setdefault("sslmode", "disable")
    return psycopg.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database,
                           autocommit=True, connect_timeout=10, **options)


def works(*arguments, **options):
    with connect(*arguments, **options) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def refused(code, *arguments, **options):
    try:
        works(*arguments, **options)
    except psycopg.OperationalError as error:
        return code in str(error) or str(error)
    return "was let in"


certificate("ca", "authority")
certificate("server", "localhost", "ca")
certificate("other", "localhost", "ca", digest="-sha384")
certificate("curve", "localhost", key="ec")
certificate("carol", "carol", "ca")
certificate("rogue", "carol")
for name in ("carol", "rogue"):
    os.chmod(f"{folder}/{name}.key", 0o600)
for kind in ("crt", "key"):
    os.replace(f"{folder}/server.{kind}", f"{folder}/live.{kind}")
open(f"{folder}/hba", "w").write("""
host    all   boss   127.0.0.1/32  trust
host    all   banned all           reject
hostssl all   carol  all           cert
host    all   old    all           md5
host    all   clear  all           password
host    lake@dev +staff all        trust
host    lake  all    127.0.0.0/8   scram-sha-256
""")
environment = dict(os.environ, APUS_PORT=str(port), APUS_HTTP_PORT=str(port + 1), APUS_DATA_DIR=f"{folder}/data",
                   APUS_HBA_FILE=f"{folder}/hba", APUS_TLS_CERT=f"{folder}/live.crt",
                   APUS_TLS_KEY=f"{folder}/live.key", APUS_TLS_CA=f"{folder}/ca.crt", APUS_LOG_LEVEL="trace",
                   APUS_API_TOKENS="ben:token-of-ben,boss:token-of-boss")
log = open(f"{folder}/log", "w")
server = subprocess.Popen([program, "serve"], env=environment, stdout=log, stderr=log)
try:
    for _ in range(100):
        try:
            boss = connect("boss")
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    secret = "s3cret-of-ben"
    boss.execute(f"CREATE ROLE ben LOGIN PASSWORD '{secret}'")
    boss.execute(f"ALTER ROLE ben WITH PASSWORD '{secret}'")
    boss.execute("CREATE ROLE banned LOGIN PASSWORD 'x'")
    boss.execute("CREATE ROLE carol LOGIN")
    boss.execute("SET password_encryption = 'md5'")
    boss.execute(f"CREATE ROLE old LOGIN PASSWORD '{secret}'")
    boss.execute("RESET password_encryption")
    boss.execute(f"CREATE ROLE clear LOGIN PASSWORD '{secret}'")
    boss.execute(f"CREATE ROLE late LOGIN PASSWORD '{secret}' VALID UNTIL '2001-01-01'")
    boss.execute(f"CREATE ROLE one LOGIN PASSWORD '{secret}' CONNECTION LIMIT 1")
    boss.execute("CREATE ROLE staff NOLOGIN")
    boss.execute(f"CREATE ROLE sam LOGIN PASSWORD '{secret}' IN ROLE staff")
    verifier = boss.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'ben'").fetchone()[0]
    boss.execute(f"CREATE ROLE copy LOGIN PASSWORD '{verifier}'")
    boss.execute("CREATE BRANCH dev")

    check("scram", lambda: works("ben", secret))
    check("scram, wrong password", lambda: refused("password authentication failed", "ben", "wrong"))
    check("a verifier that was given is taken", lambda: works("copy", secret))
    check("unknown user", lambda: refused("password authentication failed", "nobody", secret))
    check("role without a password", lambda: refused("authentication failed", "staff", "x"))
    check("reject rule", lambda: refused("pg_hba.conf rejects connection", "banned", "x"))
    check("md5", lambda: works("old", secret))
    check("md5, wrong password", lambda: refused("password authentication failed", "old", "wrong"))
    check("password in the clear", lambda: works("clear", secret))
    check("password in the clear, wrong", lambda: refused("password authentication failed", "clear", "wrong"))
    check("password that has ended", lambda: refused("password authentication failed", "late", secret))
    check("role members by rule", lambda: works("sam", None, "lake@dev"))
    check("a rule for the database is one for its branches", lambda: works("ben", secret, "lake@dev"))

    def limit():
        with connect("one", secret):
            return refused("too many connections for role", "one", secret)

    check("connection limit", limit)
    check("TLS", lambda: works("ben", secret, sslmode="require"))
    check("channel binding", lambda: works("ben", secret, sslmode="require", channel_binding="require"))
    check("channel binding needs TLS", lambda: refused("channel binding", "ben", secret, channel_binding="require"))
    check("verify-ca", lambda: works("ben", secret, sslmode="verify-ca", sslrootcert=f"{folder}/ca.crt"))
    certificates = dict(sslmode="require", sslcert=f"{folder}/carol.crt", sslkey=f"{folder}/carol.key")
    check("client certificate", lambda: works("carol", None, **certificates))
    check("client certificate of another", lambda: refused("authentication failed", "clear", "wrong", **certificates))
    check("no client certificate", lambda: refused("certificate authentication failed", "carol", sslmode="require"))
    rogue = dict(sslmode="require", sslcert=f"{folder}/rogue.crt", sslkey=f"{folder}/rogue.key")
    check("client certificate of nobody's authority", lambda: refused("", "carol", None, **rogue))
    check("cert rule without TLS", lambda: refused("", "carol", None))

    def changed(name, hangs_up):
        for kind in ("crt", "key"):
            data = open(f"{folder}/{name}.{kind}").read()
            open(f"{folder}/live.{kind}", "w").write(data)
        if hangs_up:
            os.kill(server.pid, signal.SIGHUP)
            time.sleep(0.5)
        else:
            time.sleep(1.5)
        shown = subprocess.run(
            ["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{port}"], input=b"",
            capture_output=True).stdout.decode()
        body = shown[shown.index("-----BEGIN"):shown.index("-----END")].split()
        live = open(f"{folder}/{name}.crt").read()
        return body[-1] in live and works("ben", secret, sslmode="require", channel_binding="require")

    check("certificate changed on disk, SHA-384", lambda: changed("other", False))
    check("certificate changed, SIGHUP, elliptic curve", lambda: changed("curve", True))

    def bearer(path, token=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port + 1}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            return error.code

    boss.execute("CREATE TABLE held (a int)")
    table = "/iceberg/v1/namespaces/public/tables/held"
    check("catalog over HTTP: no token", lambda: bearer(table) == 401)
    check("catalog over HTTP: owner", lambda: bearer(table, "token-of-boss") == 200)
    check("catalog over HTTP: no right", lambda: bearer(table, "token-of-ben") == 403)
    boss.execute("GRANT SELECT ON held TO ben")
    check("catalog over HTTP: right", lambda: bearer(table, "token-of-ben") == 200)

    def hidden():
        with connect("ben", secret) as ben:
            shown = str(boss.execute("SELECT query FROM pg_stat_activity").fetchall())
            shown += str(boss.execute("SHOW LOG").fetchall())
            shown += str(ben.execute("SELECT * FROM pg_roles").fetchall())
            for sql in (f"CREATE ROLE x PASSWORD '{secret}' nonsense", f"CREATE ROLE x '{secret}'",
                        f"ALTER ROLE ben PASSWORD '{secret}' '{secret}'", f"CREATE ROLE ben PASSWORD '{secret}'",
                        f"CREATE ROLE y VALID UNTIL '{secret}'", f"ATTACH 'http://127.0.0.1:1' AS a (TYPE iceberg_rest, TOKEN '{secret}')",
                        f"EXPLAIN CREATE ROLE x PASSWORD '{secret}'"):
                try:
                    boss.execute(sql)
                except psycopg.Error as error:
                    shown += "" if "VALID" in sql else str(error).split("\nLINE")[0]
            shown += str(boss.execute("SELECT query FROM pg_stat_activity").fetchall())
            try:
                ben.execute("SELECT * FROM pg_authid")
                return "a user reads pg_authid"
            except psycopg.errors.InsufficientPrivilege:
                pass
        log.flush()
        shown += open(f"{folder}/log").read()
        for name in os.listdir(f"{folder}/data"):
            if os.path.isfile(f"{folder}/data/{name}"):
                shown += open(f"{folder}/data/{name}", "rb").read().decode("latin-1")
        return secret not in shown or shown[max(0, shown.index(secret) - 300):shown.index(secret) + 40]

    check("no password anywhere", hidden)
    check("the log has something", lambda: len(open(f"{folder}/log").read()) > 100)
finally:
    server.send_signal(signal.SIGTERM)
    server.wait(20)
print("failures:", failures)
sys.exit(1 if failures else 0)
