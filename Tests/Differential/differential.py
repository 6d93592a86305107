"""Runs random queries on Apus and on a real PostgreSQL and compares: columns' types, rows, SQLSTATEs.

    python3 Tests/Differential/differential.py --apus DSN --postgres DSN [--queries 100000] [--seed 1]

Both databases get tables t0..t3 in their first schema. New tables come every 500 queries. Rows are compared as sets
with repetition, doubles to 12 digits. Each difference is printed with its query; known causes, listed with their reasons
in EXPLAINED, are counted apart. The exit status is the number of differences that nothing explains, at most 100."""
import argparse
import collections
import random
import sys

import psycopg

from queries import Queries, Tables

DOUBLE, NUMERIC = 701, 1700
# Errors of values, which a server raises only for rows it computes: SQL does not say for which rows that is, and both
# servers leave out what they need not compute (a filter before or after a join, a branch, a constant folded early).
VALUE_ERRORS = {"22003", "22008", "22012", "22015", "22P02", "2201F", "2201E", "22011", "22007"}
TABLES_EVERY = 500
TIMEOUT = 10_000


class Server:
    def __init__(self, dsn, schema):
        self.dsn, self.schema = dsn, schema
        self.connect()

    def connect(self):
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.run(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
        self.run(f"SET search_path = {self.schema}")
        self.run("SET client_min_messages = error")
        self.run("SET timezone = 'UTC'")
        self.run(f"SET statement_timeout = {TIMEOUT}")

    def run(self, sql):
        """(SQLSTATE, message), or None with types and rows of text."""
        pg = self.connection.pgconn
        result = pg.exec_(sql.encode())
        if result.status in (psycopg.pq.ExecStatus.FATAL_ERROR, psycopg.pq.ExecStatus.BAD_RESPONSE):
            state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
            text = result.error_message.decode(errors="replace").strip()
            if pg.status != psycopg.pq.ConnStatus.OK:
                self.connect()
                return (state or b"LOST").decode() if state else "LOST", text, None
            return (state or b"?").decode(), text, None
        types = [result.ftype(i) for i in range(result.nfields)]
        rows = [tuple(result.get_value(r, c) for c in range(result.nfields)) for r in range(result.ntuples)]
        return None, types, rows


def canonical(types, rows):
    """Rows in an order of their own; doubles to 12 digits."""
    doubles = [i for i, t in enumerate(types) if t == DOUBLE]
    if doubles:
        made = []
        for row in rows:
            row = list(row)
            for i in doubles:
                if row[i] is not None:
                    value = float(row[i])
                    row[i] = f"{value + 0.0:.12g}".encode() if value != 0 else b"0"
            made.append(tuple(row))
        rows = made
    return sorted(rows, key=lambda row: [(v is None, v or b"") for v in row])


def unscaled(answer):
    """The rows with numerics that have no zeros at their end."""
    numerics = [t == NUMERIC for t in answer[1]]
    return [tuple(v.rstrip(b"0").rstrip(b".") if n and v is not None and b"." in v else v for n, v in zip(numerics, row))
            for row in answer[2]]


def compare(a, b):
    """Why two answers differ: None if they do not, else (kind, text)."""
    if a[0] or b[0]:
        if a[0] == b[0]:
            return None
        first, second = a[0] or "rows", b[0] or "rows"
        if "57014" in (first, second):
            return "one of the two had no answer in time", f"apus {first}, postgres {second}"
        if (a[0] in VALUE_ERRORS or a[0] is None) and (b[0] in VALUE_ERRORS or b[0] is None):
            return "value error for rows that need not be computed", f"apus {first}, postgres {second}"
        return "sqlstate", f"apus {first} ({a[1] if a[0] else ''})\n   postgres {second} ({b[1] if b[0] else ''})"
    if a[1] != b[1]:
        return "types", f"apus {a[1]}, postgres {b[1]}"
    x, y = canonical(a[1], a[2]), canonical(b[1], b[2])
    if x != y:
        if canonical(a[1], unscaled(a)) == canonical(b[1], unscaled(b)):
            return "scale of equal numerics", f"apus {x[:3]}, postgres {y[:3]}"
        extra = [r for r in x if r not in y][:3]
        missing = [r for r in y if r not in x][:3]
        return "rows", f"apus {len(x)} rows, postgres {len(y)}\n   only apus {extra}\n   only postgres {missing}"
    return None


EXPLAINED = {
    "value error for rows that need not be computed": "see VALUE_ERRORS",
    "one of the two had no answer in time": f"{TIMEOUT} ms; joins of nothing in particular grow without end",
    "scale of equal numerics": "1.0 and 1.00 are one value: DISTINCT, UNION, min and their kin keep either",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apus", required=True)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=20, help="differences printed in full")
    parser.add_argument("--only", type=int, help="run this one query of the seed and keep its tables")
    args = parser.parse_args()
    schema = f"differential_{args.seed}"
    apus, postgres = Server(args.apus, schema), Server(args.postgres, schema)
    counts, states = collections.Counter(), collections.Counter()
    shown = 0
    first = 0 if args.only is None else args.only // TABLES_EVERY * TABLES_EVERY
    for number in range(first, args.queries if args.only is None else args.only + 1):
        if number % TABLES_EVERY == 0:
            rng = random.Random(f"{args.seed}/{number}")
            tables = Tables(rng)
            for statement in tables.statements():
                for server in (apus, postgres):
                    state, text, _ = server.run(statement)
                    if state:
                        sys.exit(f"cannot load: {statement[:200]}: {text}")
            queries = Queries(rng, tables)
        sql, _ = queries.query(rng.choice([0, 1, 1, 2]))
        if args.only is not None and number != args.only:
            continue
        a, b = apus.run(sql), postgres.run(sql)
        states[b[0] or "rows"] += 1
        difference = compare(a, b)
        if difference is None:
            counts["equal"] += 1
            continue
        kind, text = difference
        counts[kind] += 1
        if kind not in EXPLAINED and shown < args.show:
            shown += 1
            print(f"-- {args.seed}/{number}: {kind}: {text}\n{sql};\n", flush=True)
    if args.only is not None:
        print(f"SET search_path = {schema};\n{sql};")
        return 0
    print(f"{args.queries} queries, seed {args.seed}; PostgreSQL answered: {dict(states.most_common(12))}")
    for kind, count in counts.most_common():
        print(f"{count:8} {kind}" + (" (explained)" if kind in EXPLAINED else ""))
    for server in (apus, postgres):
        for name, _, _ in tables.tables:
            server.run(f"DROP TABLE IF EXISTS {name}")
    return min(100, sum(n for k, n in counts.items() if k != "equal" and k not in EXPLAINED))


if __name__ == "__main__":
    sys.exit(main())
