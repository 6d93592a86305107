"""Reads files of our writer with pyarrow and DuckDB and compares them with what was written.

usage: check_written.py FOLDER
FOLDER holds pairs NAME.parquet and NAME.json: {"types": [...], "rows": [[text or null, ...], ...], "sorted": [...]}.
Values are texts as Writing.swift makes them: bits of floats, bytes in hexadecimal, numbers of days and microseconds.
Exits with 77 when pyarrow is not installed.
"""
import datetime
import json
import math
import os
import struct
import sys

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    sys.exit(77)
try:
    import duckdb
except ImportError:
    duckdb = None

DAY = 86_400_000_000


def plain(column):
    """A column of pyarrow as integers, floats, bytes, or text."""
    kind = column.type
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()).to_pylist()
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return column.cast(pa.int64()).to_pylist()
    if hasattr(kind, "storage_type"):
        return plain(column.combine_chunks().storage if hasattr(column, "combine_chunks") else column.storage)
    return column.to_pylist()


def text(value, kind):
    if value is None:
        return None
    if kind == "boolean":
        return "1" if value else "0"
    if kind in ("real", "double precision"):
        if math.isnan(value):
            return "nan"
        form = ("<f", "<I") if kind == "real" else ("<d", "<Q")
        return "%x" % struct.unpack(form[1], struct.pack(form[0], value))[0]
    if kind.startswith("numeric"):
        sign, digits, exponent = value.as_tuple()
        return str(int("".join(map(str, digits))) * (-1 if sign else 1))
    if kind == "uuid":
        return value.hex if hasattr(value, "hex") and not callable(value.hex) else bytes(value).hex()
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    return str(value)


def check_pyarrow(path, wanted, types):
    table = pq.read_table(path)
    columns = []
    for index, kind in enumerate(types):
        column = table.column(index)
        if kind == "interval":
            # pyarrow has no such type and gives 12 bytes.
            values = [None if v is None else "%d %d %d" % (lambda m, d, s: (m, d, s * 1000))(*struct.unpack("<III", v))
                      for v in column.to_pylist()]
        else:
            values = [text(v, kind) for v in plain(column)]
        columns.append(values)
    found = [list(row) for row in zip(*columns)]
    compare("pyarrow", path, wanted, found)
    check_metadata(path, table, types)


def compare(reader, path, wanted, found):
    assert len(wanted) == len(found), f"{reader}: {path}: {len(found)} rows for {len(wanted)}"
    for number, (a, b) in enumerate(zip(wanted, found)):
        for column, (x, y) in enumerate(zip(a, b)):
            assert x == y, f"{reader}: {path}: row {number} column {column}: {y!r} for {x!r}"


def check_metadata(path, table, types):
    meta = pq.read_metadata(path)
    assert meta.created_by.startswith("apus version"), meta.created_by
    schema = pq.read_schema(path)
    for index, field in enumerate(schema):
        assert field.metadata[b"PARQUET:field_id"] == str(index + 1).encode(), field
    start = 0
    for group in range(meta.num_row_groups):
        rows = meta.row_group(group).num_rows
        for index, kind in enumerate(types):
            chunk = meta.row_group(group).column(index)
            assert chunk.has_offset_index, (path, kind)
            part = table.column(index).slice(start, rows)
            nulls = part.null_count
            stats = chunk.statistics
            assert chunk.num_values == rows and stats.null_count == nulls, (path, group, kind, stats, nulls)
            if kind == "interval" or nulls == rows:
                assert not stats.has_min_max
                continue
            values = [v for v in plain(part) if v is not None]
            if kind in ("real", "double precision"):
                values = [v for v in values if not math.isnan(v)]
            if not values:
                assert not stats.has_min_max
                continue
            if not stats.has_min_max:
                # The last characters of Unicode cannot be raised.
                assert kind in ("text", "character varying(40)", "bytea"), (path, kind)
                continue
            if kind == "uuid":
                values = [v if isinstance(v, bytes) else v.bytes for v in values]
            low, high = stats.min_raw, stats.max_raw
            if isinstance(values[0], (int, float)) and isinstance(low, (int, float)):
                assert low <= min(values) and high >= max(values), (path, kind, low, high)
                assert low == min(values) and high == max(values), (path, kind, low, high)
            elif isinstance(values[0], (str, bytes)):
                raw = [v.encode() if isinstance(v, str) else v for v in values]
                assert low <= min(raw) and high >= max(raw), (path, kind)
                assert len(low) <= 64 or low == min(raw)
            else:
                assert stats.min <= min(values) and stats.max >= max(values), (path, kind)
            assert chunk.has_column_index or kind in ("real", "double precision", "text", "bytea",
                                                      "character varying(40)"), (path, kind)
        start += rows


def check_duckdb(path, wanted, types):
    def selected(index, kind):
        name = f'"c{index}"'
        if kind == "interval":
            return f"""CASE WHEN {name} IS NULL THEN NULL ELSE
                (datepart('year', {name}) * 12 + datepart('month', {name})) || ' ' || datepart('day', {name}) || ' ' ||
                (datepart('hour', {name}) * 3600000000 + datepart('minute', {name}) * 60000000
                 + datepart('microsecond', {name})) END"""
        if kind == "date":
            # The ends of the range are infinities to DuckDB.
            return f"CASE WHEN isfinite({name}) THEN datediff('day', DATE '1970-01-01', {name})::VARCHAR END"
        if kind.startswith("timestamp"):
            return f"CASE WHEN isfinite({name}) THEN epoch_us({name})::VARCHAR END"
        if kind.startswith("time"):
            return f"epoch_us({name})::VARCHAR"
        if kind == "uuid":
            return f"replace({name}::VARCHAR, '-', '')"
        return name

    query = "SELECT " + ", ".join(selected(i, k) for i, k in enumerate(types)) + f" FROM '{path}'"
    found = []
    for row in duckdb.sql(query).fetchall():
        found.append([
            v if kind in ("interval", "date", "uuid") or kind.startswith("time") else text(v, kind)
            for v, kind in zip(row, types)])
    ends = {str(v) for v in (2**31 - 1, -2**31, -2**31 + 1, 2**63 - 1, -2**63, -2**63 + 1)}

    def without_ends(rows):
        return [[None if (types[i] == "date" or types[i].startswith("timestamp")) and v in ends else v
                 for i, v in enumerate(row)] for row in rows]

    compare("DuckDB", path, without_ends(wanted), without_ends(found))


def main():
    folder = sys.argv[1]
    names = sorted(n[:-5] for n in os.listdir(folder) if n.endswith(".json"))
    for name in names:
        path = os.path.join(folder, name + ".parquet")
        with open(os.path.join(folder, name + ".json")) as file:
            told = json.load(file)
        check_pyarrow(path, told["rows"], told["types"])
        if duckdb is not None:
            check_duckdb(path, told["rows"], told["types"])
    print(f"{len(names)} files read by pyarrow" + (" and DuckDB" if duckdb is not None else ""))


main()
