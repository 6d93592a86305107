#!/usr/bin/env python3
"""Copies a part of a folder of Iceberg fixtures (index.json, bucket/, expected/): python3 copy.py FOLDER
Of each table the newest metadata file is taken, since it tells of all snapshots."""
import json, os, shutil, sys

TABLES = ["py.eqdel", "py.evo", "py.name_mapping", "py.p_day", "py.p_bucket_long", "py.p_truncate_dec", "py.p_identity",
          "py.types", "py.v1tab", "duck.v2", "duck.v3", "duck.part3", "duck.txn"]
source, here = sys.argv[1], os.path.dirname(os.path.abspath(__file__))
index = json.load(open(f"{source}/index.json"))
index["tables"] = [t for t in index["tables"] if t["table"] in TABLES]
index["expected"] = [e for e in index["expected"] if e["table"] in TABLES]
index.pop("failed_steps", None)
for folder in ("bucket", "expected"): shutil.rmtree(f"{here}/{folder}", ignore_errors=True)
newest = {t["metadata"].replace("s3://fixture/", "bucket/") for t in index["tables"]}
def copy(path):
    os.makedirs(os.path.dirname(f"{here}/{path}"), exist_ok=True)
    shutil.copyfile(f"{source}/{path}", f"{here}/{path}")
for table in index["tables"]:
    root = "bucket/wh/" + table["table"].replace(".", "/")
    for folder, _, files in os.walk(f"{source}/{root}"):
        for file in files:
            path = os.path.relpath(f"{folder}/{file}", source)
            if not path.endswith("metadata.json") or path in newest: copy(path)
copy("bucket/ext/nofid.parquet")
for entry in index["expected"]: copy(entry["file"])
copy("expected/transform_vectors.csv")
json.dump(index, open(f"{here}/index.json", "w"), indent=1)
