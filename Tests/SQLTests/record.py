"""Writes the expected rows of Queries/sql/pg_*.slt from a real PostgreSQL.

Run: python3 Tests/SQLTests/record.py "host=127.0.0.1 port=5432 user=postgres dbname=postgres" [FILE...]
Needs PyPI psycopg[binary] and PostgreSQL 15. Rows come in text form, NULL as NULL, an empty string as (empty).
"""
import pathlib
import sys

import psycopg

HERE = pathlib.Path(__file__).resolve().parents[2] / "Queries" / "sql"


def cell(value: bytes | None) -> str:
    if value is None:
        return "NULL"
    text = bytes(value).decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("|", "\\p") if text else "(empty)"


def run(connection: psycopg.Connection, sql: str) -> tuple[str, list[str]]:
    result = connection.pgconn.exec_(sql.encode())
    status = psycopg.pq.ExecStatus(result.status)
    if status == psycopg.pq.ExecStatus.FATAL_ERROR:
        return result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode(), []
    rows = [
        "|".join(cell(result.get_value(row, column)) for column in range(result.nfields))
        for row in range(result.ntuples)
    ]
    return "", rows


def record(connection: psycopg.Connection, path: pathlib.Path) -> None:
    out = []
    for block in path.read_text().strip().split("\n\n"):
        lines = block.split("\n")
        head = [line for line in lines if line.startswith("#")]
        lines = [line for line in lines if not line.startswith("#")]
        if not lines:
            out.append("\n".join(head))
            continue
        kind = lines[0].split()
        if kind[0] in ("query", "error"):
            sql = "\n".join(lines[1:]).split("\n----")[0]
            state, rows = run(connection, sql)
            if state:
                out.append("\n".join(head + [f"error {state}", sql]))
                continue
            options = [word for word in kind[1:] if word == "rowsort"]
            if options:
                rows.sort()
            out.append("\n".join(head + [" ".join(["query"] + options), sql, "----"] + rows))
        else:
            run(connection, "\n".join(lines[1:]))
            out.append("\n".join(head + lines))
    path.write_text("\n\n".join(out) + "\n")


def main() -> None:
    connection = psycopg.connect(sys.argv[1], autocommit=True)
    connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET lc_messages = 'C'")
    files = [pathlib.Path(name) for name in sys.argv[2:]] or sorted(HERE.glob("pg_*.slt"))
    for path in files:
        record(connection, path)


if __name__ == "__main__":
    main()
