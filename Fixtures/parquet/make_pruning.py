"""Makes the files of pruning/ and the encrypted ones of unsupported/: row groups whose bounds overlap but whose values do
not, by pyarrow 26 (dictionaries alone) and DuckDB 1.5.5 (dictionaries with Bloom filters).

Run: python3 make_pruning.py (PyPI pyarrow, duckdb). Row group g has the names and numbers of 50 values v with v % 4 = g,
and the least and the greatest value of all; `wide` has too many values for a dictionary that would help.
"""
import base64
import pathlib
import random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

HERE = pathlib.Path(__file__).resolve().parent
ROWS = 4096


def group(number: int) -> pa.Table:
    rng = random.Random(number)
    values = [0, 999] + [v * 4 + number for v in rng.sample(range(1, 240), 50)]
    drawn = [rng.choice(values) for _ in range(ROWS)]
    return pa.table({
        "id": pa.array([number * ROWS + row for row in range(ROWS)], pa.int64()),
        "name": pa.array([None if row % 97 == 0 else f"name {v:04}" for row, v in enumerate(drawn)]),
        "number": pa.array(drawn, pa.int32()),
        "price": pa.array([v * 100 for v in drawn], pa.int64()),
        "wide": pa.array([f"w{rng.randrange(10 ** 9)}" for _ in drawn]),
    })


class Keys(pe.KmsClient):
    def __init__(self, _):
        super().__init__()

    def wrap_key(self, key, name):
        return base64.b64encode(key + name.encode())

    def unwrap_key(self, key, name):
        return base64.b64decode(key)[:-len(name)]


def encrypt(table: pa.Table, name: str, plaintext_footer: bool) -> None:
    configuration = pe.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["name"]}, plaintext_footer=plaintext_footer,
        data_key_length_bits=128)
    properties = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), configuration)
    with pq.ParquetWriter(HERE / "unsupported" / name, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)


def main() -> None:
    groups = [group(number) for number in range(4)]
    (HERE / "pruning").mkdir(exist_ok=True)
    with pq.ParquetWriter(HERE / "pruning/pyarrow.parquet", groups[0].schema, compression="zstd",
                          use_dictionary=["name", "number", "price"]) as writer:
        for table in groups:
            writer.write_table(table)
    rows = pa.concat_tables(groups)
    duck = duckdb.connect()
    duck.execute("SET threads = 1")
    duck.execute(f"COPY (SELECT * FROM rows ORDER BY id) TO '{HERE / 'pruning/duckdb.parquet'}' "
                 f"(FORMAT parquet, ROW_GROUP_SIZE {ROWS}, COMPRESSION zstd)")
    small = pa.table({"id": list(range(100)), "name": [f"n{i}" for i in range(100)], "x": [i / 2 for i in range(100)]})
    encrypt(small, "footer_encrypted.parquet", False)
    encrypt(small, "column_encrypted.parquet", True)


if __name__ == "__main__":
    main()
