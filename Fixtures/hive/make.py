"""Makes small Hive layouts with what goes wrong in real ones.

Run: python3 Fixtures/hive/make.py (needs PyPI pyarrow). Writes folders beside itself.
"""
import datetime
import pathlib
import shutil
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent


def write(path: str, columns: dict, **options) -> None:
    place = HERE / path
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), place, **options)


def text(path: str, content: str) -> None:
    place = HERE / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)


def years() -> None:
    """One table whose columns widen, come, go, move and change case from year to year, at any depth."""
    decimal = lambda *values: [None if v is None else Decimal(v) for v in values]
    day, moment = datetime.date, datetime.datetime
    inner = lambda *fields: pa.struct(list(fields))
    write("years/year=2023/month=01/a.parquet", {
        "id": pa.array([1, 2, 3], pa.int16()), "amount": pa.array([10, None, -30], pa.int32()),
        "price": pa.array(decimal("1.25", "2.50", None), pa.decimal128(6, 2)), "ratio": pa.array([0.5, 1.5, None], pa.float32()),
        "born": pa.array([day(1970, 1, 1), None, day(2023, 2, 3)]), "note": ["one", None, "drei"],
        "item": pa.array([{"a": 1, "tags": [{"k": "x"}]}, {"a": None, "tags": []}, None],
                         inner(("a", pa.int32()), ("tags", pa.list_(inner(("k", pa.string())))))),
        "gone": ["old", "older", "oldest"]})
    write("years/year=2024/month=02/a.parquet", {
        "ID": pa.array([4, 5], pa.int32()), "item": pa.array(
            [{"tags": [{"v": 7, "k": "y"}, None], "a": 5_000_000_000, "b": {"c": 3}}, {"tags": None, "a": 2, "b": None}],
            inner(("tags", pa.list_(inner(("v", pa.int32()), ("k", pa.string())))), ("a", pa.int64()), ("b", inner(("c", pa.int16()))))),
        "amount": pa.array([5_000_000_000, 40], pa.int64()), "price": pa.array(decimal("1.255", "1234567.125"), pa.decimal128(10, 3)),
        "ratio": pa.array([2.25, -0.125], pa.float64()), "born": pa.array([moment(2024, 2, 3, 4, 5, 6), None], pa.timestamp("us")),
        "Note": ["vier", "fünf"]})
    write("years/year=2025/month=11/a.parquet", {
        "note": ["sechs"], "price": pa.array([2], pa.int32()), "amount": pa.array([2.5], pa.float64()), "id": pa.array([6], pa.int64()),
        "item": pa.array([{"b": {"d": "deep", "c": 9}}], inner(("b", inner(("d", pa.string()), ("c", pa.int64()))))),
        "born": pa.array([day(2025, 11, 1)]), "ratio": pa.array([3], pa.int32())}, row_group_size=1)
    write("years/year=__HIVE_DEFAULT_PARTITION__/month=3/a.parquet", {"id": pa.array([7], pa.int32()), "gone": ["found"]})
    text("years/year=2025/month=11/.a.parquet.crc", "crc")
    text("years/year=2025/_temporary/b.parquet", "not Parquet")


def main() -> None:
    for folder in HERE.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    # Columns that come, go, widen and change case.
    write("drift/a.parquet", {"id": pa.array([1, 2], pa.int32()), "name": ["one", "two"]})
    write("drift/b.parquet", {"id": pa.array([3], pa.int64()), "extra": pa.array([1.5], pa.float64())})
    lacking = pa.array([None], pa.float32())
    write("drift/c.parquet", {"ID": pa.array([4], pa.int16()), "Name": ["four"], "extra": lacking})
    # Types that do not go together.
    write("clash/a.parquet", {"v": pa.array([1], pa.int32())})
    write("clash/b.parquet", {"v": ["x"]})
    # Encoded values, NULL, and what writers leave behind.
    for name, value in [("DE", 1), ("a%2Fb", 2), ("Z%C3%BCrich", 3), ("__HIVE_DEFAULT_PARTITION__", 4), ("50%25", 5)]:
        write(f"encoded/city={name}/part-0.parquet", {"v": pa.array([value], pa.int64())})
    text("encoded/_SUCCESS", "")
    text("encoded/city=DE/.part-0.parquet.crc", "crc")
    text("encoded/city=DE/_metadata", "metadata")
    text("encoded/city=DE/empty.parquet", "")
    text("encoded/city=DE/notes.txt", "not Parquet")
    write("encoded/_temporary/city=DE/part-1.parquet", {"v": pa.array([99], pa.int64())})
    # A damaged file, and days as dates.
    for day in range(1, 4):
        write(f"damaged/day=2026-01-{day:02}/part-0.parquet", {"v": pa.array([day], pa.int64())})
    text("damaged/day=2026-01-02/part-0.parquet", "PAR1 this is not a Parquet file PAR1")
    # Keys at different depths; a key that is in the files too.
    write("mixed/a=1/x.parquet", {"v": [1]})
    write("mixed/a=2/b=1/x.parquet", {"v": [2]})
    write("both/v=7/x.parquet", {"v": pa.array([1], pa.int32()), "w": ["kept"]})
    # Row groups that are read in parts.
    write(
        "groups/big.parquet", {"n": pa.array(range(200_000), pa.int32())}, row_group_size=50_000, use_dictionary=False,
        column_encoding={"n": "DELTA_BINARY_PACKED"}, compression="zstd")
    years()
    (HERE / "empty").mkdir()
    text("empty/_SUCCESS", "")


if __name__ == "__main__":
    main()
