#!/usr/bin/env python3
"""Copies the files of this folder from a checkout of the fixtures they were chosen from:
choose.py FOLDER, where FOLDER has corpus/ (apache/parquet-testing), expected/ (DuckDB's rows as text) and index.json."""
import json, os, shutil, sys

here = os.path.dirname(os.path.abspath(__file__))
source = sys.argv[1]
largest = 80_000
also = {"data/alltypes_tiny_pages.parquet"}
# Read by tests of their own, without expected rows.
plain = ["data/hadoop_lz4_compressed.parquet", "data/uniform_encryption.parquet.encrypted"]
for name in plain:
    shutil.copyfile(f"{source}/corpus/{name}", f"{here}/data/{os.path.basename(name)}")
# Expected rows that are another reader's way to print, not the values: geometries as text, Python byte strings.
other_text = ("geospatial", "hadoop", "extended")
for entry in json.load(open(f"{source}/index.json")):
    name = entry["file"]
    base = os.path.basename(name)
    if name.startswith("bad_data/"):
        shutil.copyfile(f"{source}/corpus/{name}", f"{here}/bad/{base}")
    elif name.startswith("data/") and "expected" in entry and "encrypt" not in name:
        if any(word in name for word in other_text) or (entry["bytes"] > largest and name not in also):
            continue
        shutil.copyfile(f"{source}/corpus/{name}", f"{here}/data/{base}")
        shutil.copyfile(f"{source}/{entry['expected']}", f"{here}/expected/{base}.csv")
        if "int96_from_spark" in name:
            # A year that overflows 64-bit nanoseconds: the value that Spark wrote, not the wrapped one.
            path = f"{here}/expected/{base}.csv"
            text = open(path).read().replace("226414-01-07 (BC) 22:21:39.416064", "290000-12-30 23:00:00")
            open(path, "w").write(text)
