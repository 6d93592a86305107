"""Writes the expected rows of Queries/sql files from DuckDB, in the text form of PostgreSQL.

Run: python3 Tests/SQLTests/record_duckdb.py Queries/sql/FILE.slt... (needs PyPI duckdb 1.5). CREATE EXTERNAL TABLE is a view
over the same files with union_by_name there. Entries of the kind `error`, and those whose comment says "as written",
stay as they are.
"""
import datetime
import decimal
import pathlib
import re
import sys

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]


def nested(value, signs: str = ' ",{}\\') -> str:
    text = cell(value)
    special = text == "" or any(c in signs for c in text) or (signs[-2] == "}" and text.lower() == "null")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if special else text


def cell(value) -> str:
    """A value as PostgreSQL prints it."""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, float):
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.datetime):
        text = value.isoformat(" ")
        return re.sub(r"(\.\d*?)0+$", r"\1", text) if "." in text else text
    if isinstance(value, list):
        return "{" + ",".join("NULL" if item is None else nested(item) for item in value) + "}"
    if isinstance(value, dict):
        return "(" + ",".join("" if item is None else nested(item, ' ",()\\').replace('\\"', '""') for item in value.values()) + ")"
    return str(value)


def line(row) -> str:
    def text(value) -> str:
        if value is None:
            return "NULL"
        return cell(value).replace("\\", "\\\\").replace("\n", "\\n").replace("|", "\\p") or "(empty)"
    return "|".join(text(value) for value in row)


def translated(sql: str) -> str:
    match = re.match(r"CREATE EXTERNAL TABLE (\S+).*LOCATION '([^']*?)/?'", sql, re.S)
    if not match:
        return sql
    # DuckDB reads hidden files as well.
    root = pathlib.Path(match[2])
    files = [str(file) for file in sorted(root.rglob("*.parquet"))
             if not any(part[0] in "._" and "=" not in part for part in file.relative_to(root).parts)]
    keys = "=" in files[0]
    # Numbers of two digits are numbers, also with a zero in front.
    values: dict[str, set[str]] = {}
    for file in files:
        for part in pathlib.Path(file).relative_to(root).parts[:-1]:
            values.setdefault(part.split("=")[0], set()).add(part.split("=")[-1])
    numbers = [key for key, seen in values.items() if all(re.fullmatch(r"\d\d?|[1-9]\d*|__HIVE.*", v) for v in seen)]
    types = ", hive_types = {" + ", ".join(f"{key}: BIGINT" for key in numbers) + "}" if keys and numbers else ""
    return (f"CREATE OR REPLACE VIEW {match[1]} AS SELECT * FROM read_parquet({files}, "
            f"union_by_name = true, hive_partitioning = {str(keys).lower()}{types})")


def record(path: pathlib.Path) -> None:
    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'")
    out = []
    for block in path.read_text().strip().split("\n\n"):
        lines = block.split("\n")
        head = [text for text in lines if text.startswith("#")]
        body = [text for text in lines if not text.startswith("#")]
        if not body or body[0].startswith("error") or any("as written" in text.lower() for text in head):
            out.append(block)
            continue
        sql = "\n".join(body[1:]).split("\n----")[0]
        result = duck.execute(translated(sql.replace("${FIXTURES}", str(ROOT / "Fixtures"))))
        if body[0].startswith("query"):
            rows = [line(row) for row in result.fetchall()]
            if "rowsort" in body[0]:
                rows.sort()
            out.append("\n".join(head + [body[0], sql, "----"] + rows))
        else:
            out.append(block)
    path.write_text("\n\n".join(out) + "\n")


for name in sys.argv[1:]:
    record(pathlib.Path(name))
