#!/usr/bin/env python3
"""Writes sorted.parquet (row groups, small pages, page index, Bloom filters) with pyarrow."""
import os
import pyarrow as pa
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))
rows = 20_000
table = pa.table({
    "id": pa.array(range(rows), pa.int64()),
    "part": pa.array([i * 3 % 1000 for i in range(rows)], pa.int32()),
    "name": pa.array([None if i % 7 == 0 else "name %05d" % (i // 10) for i in range(rows)], pa.string()),
    "price": pa.array([None if i % 5 == 0 else i / 4 for i in range(rows)], pa.float64()),
    "group": pa.array(["abc"[i * 7 % 3] for i in range(rows)], pa.string()),
})
pq.write_table(
    table, f"{here}/sorted.parquet", row_group_size=6000, data_page_size=2000, max_rows_per_page=500,
    write_page_index=True, compression="zstd",
    bloom_filter_options={"part": {"ndv": 1000, "fpp": 0.01}, "name": {"ndv": 700, "fpp": 0.01}})
