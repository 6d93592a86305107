#!/usr/bin/env python3
"""Nested Parquet files of other programs, and other programs' view of ours.

usage: nested_files.py check FOLDER          compares NAME.parquet, as pyarrow and DuckDB read it, with NAME.json
       nested_files.py make FOLDER [SEED [N]] writes N files with random nested columns by pyarrow and DuckDB
NAME.json is a list of rows, each a list of texts or nulls as canonical() in Writing.swift makes them.
Exits with 77 when pyarrow is not installed. A longer run: make into a folder, then
APUS_NESTED_FILES=FOLDER swift test --filter NestedTests.
"""
import datetime
import decimal
import json
import math
import os
import random
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

EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)


def canonical(value, kind):
    if value is None:
        return None
    if pa.types.is_map(kind):
        pairs = ["(%s,%s)" % (part(k, kind.key_type), part(v, kind.item_type)) for k, v in value]
        return "[" + ",".join(pairs) + "]"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "[" + ",".join(part(v, kind.value_type) for v in value) + "]"
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return "(" + ",".join(part(value[f.name], f.type) for f in fields) + ")"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else "%x" % struct.unpack("<Q", struct.pack("<d", value))[0]
    if isinstance(value, decimal.Decimal):
        sign, digits, _ = value.as_tuple()
        return str(int("".join(map(str, digits))) * (-1 if sign else 1))
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return str((value.replace(tzinfo=None) - EPOCH) // MICROSECOND)
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days)
    return str(value)


def part(value, kind):
    text = canonical(value, kind)
    return "~" if text is None else text


def rows_of(table):
    columns = [[canonical(v, f.type) for v in table.column(i).to_pylist()] for i, f in enumerate(table.schema)]
    return [list(row) for row in zip(*columns)]


def compare(reader, path, wanted, found):
    assert len(wanted) == len(found), f"{reader}: {path}: {len(found)} rows for {len(wanted)}"
    for number, (a, b) in enumerate(zip(wanted, found)):
        for column, (x, y) in enumerate(zip(a, b)):
            assert x == y, f"{reader}: {path}: row {number} column {column}:\n{y!r} for\n{x!r}"


def check(folder):
    names = sorted(n[:-5] for n in os.listdir(folder) if n.endswith(".json"))
    for name in names:
        path = os.path.join(folder, name + ".parquet")
        with open(os.path.join(folder, name + ".json")) as file:
            wanted = json.load(file)
        compare("pyarrow", path, wanted, rows_of(pq.read_table(path)))
        if duckdb is not None:
            found = duckdb.sql(f"SELECT * FROM '{path}'").to_arrow_table()
            compare("DuckDB", path, wanted, rows_of(found))
    print(f"{len(names)} nested files read by pyarrow" + (" and DuckDB" if duckdb is not None else ""))


LEAVES = [
    pa.bool_(), pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.date32(),
    pa.timestamp("us"), pa.decimal128(9, 2), pa.decimal128(25, 6),
]


def random_type(rng, depth):
    choice = rng.random()
    if depth == 0 or choice < 0.25:
        return rng.choice(LEAVES)
    if choice < 0.5:
        return pa.list_(pa.field("element", random_type(rng, depth - 1), nullable=rng.random() < 0.8))
    if choice < 0.85:
        return pa.struct([
            pa.field("f%d" % i, random_type(rng, depth - 1), nullable=rng.random() < 0.8)
            for i in range(rng.randint(1, 3))])
    return pa.map_(rng.choice([pa.string(), pa.int32()]), random_type(rng, depth - 1))


def random_value(rng, kind, nullable, sparse):
    if nullable and rng.random() < sparse:
        return None
    if pa.types.is_map(kind):
        keys = {random_value(rng, kind.key_type, False, sparse) for _ in range(rng.randint(0, 3))}
        return [(k, random_value(rng, kind.item_type, True, sparse)) for k in sorted(keys)]
    if pa.types.is_list(kind):
        field = kind.value_field
        return [random_value(rng, field.type, field.nullable, sparse)
                for _ in range(0 if rng.random() < 0.2 else rng.randint(0, 5))]
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return {f.name: random_value(rng, f.type, f.nullable, sparse) for f in fields}
    if pa.types.is_boolean(kind):
        return rng.random() < 0.5
    if pa.types.is_integer(kind):
        return rng.randint(-30000, 30000)
    if pa.types.is_floating(kind):
        return rng.choice([0.0, 1.5, -2.25, 1e300])
    if pa.types.is_string(kind):
        return rng.choice(["", "a", "a longer text than twelve bytes", "é%d" % rng.randint(0, 50)])
    if pa.types.is_binary(kind):
        return bytes(rng.randrange(256) for _ in range(rng.randint(0, 20)))
    if pa.types.is_date(kind):
        return EPOCH.date() + datetime.timedelta(days=rng.randint(-20000, 20000))
    if pa.types.is_timestamp(kind):
        return EPOCH + datetime.timedelta(microseconds=rng.randint(-10**15, 10**15))
    return decimal.Decimal(rng.randint(-10**8, 10**8)).scaleb(-kind.scale)


def make(folder, seed, count):
    os.makedirs(folder, exist_ok=True)
    for number in range(seed, seed + count):
        rng = random.Random(number)
        kinds = [random_type(rng, 4) for _ in range(3)] + [pa.list_(random_type(rng, 1)), pa.struct([("a", pa.int32())])]
        sparse = rng.choice([0.0, 0.1, 0.5, 0.9])
        size = rng.choice([1, 100, 700])
        arrays = [pa.array([random_value(rng, kind, True, sparse) for _ in range(size)], kind) for kind in kinds]
        rows = pa.table(arrays, names=["c%d" % i for i in range(len(kinds))])
        path = os.path.join(folder, "n%d.parquet" % number)
        if duckdb is not None and number % 4 == 3:
            duckdb.sql(f"COPY (SELECT * FROM rows) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
        else:
            pq.write_table(
                rows, path, row_group_size=rng.choice([50, 10000]), data_page_size=rng.choice([200, 1 << 20]),
                data_page_version=rng.choice(["1.0", "2.0"]), use_dictionary=rng.random() < 0.5,
                compression=rng.choice(["none", "snappy", "zstd"]), write_page_index=rng.random() < 0.5,
                write_batch_size=rng.choice([7, 1024]))
        with open(os.path.join(folder, "n%d.json" % number), "w") as file:
            json.dump(rows_of(rows), file, separators=(",", ":"))


if sys.argv[1] == "check":
    check(sys.argv[2])
else:
    make(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1, int(sys.argv[4]) if len(sys.argv) > 4 else 8)
