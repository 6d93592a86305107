"""Makes the sample lake: a small shop's landing of daily Parquet files, always the same rows.

Run: python3 Fixtures/lake/make.py (needs PyPI pyarrow). Writes shop/{stream}/year=YYYY/month=MM/day=DD/ beside itself.
"""
import datetime as dt
import decimal
import pathlib
import random
import shutil

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
FIRST, LAST = dt.date(2025, 12, 18), dt.date(2026, 1, 14)
CITIES = ["Lisbon", "Porto", "Berlin", "Zürich", "Wien", "Paris", "Gent", None]
PRODUCTS = ["Feather Pen", "Swift Mug", "Nest Box", "Field Guide", "Wing Poster", "Chimney Brick"]
STATUS = ["paid", "paid", "paid", "pending", "refunded"]


def write(stream: str, day: dt.date, table: pa.Table) -> None:
    folder = HERE / "shop" / stream / f"year={day.year}" / f"month={day.month:02}" / f"day={day.day:02}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-0.parquet", compression="snappy")


def main() -> None:
    shutil.rmtree(HERE / "shop", ignore_errors=True)
    rng = random.Random(20260107)
    orders = customers = 0
    day = FIRST
    while day <= LAST:
        midnight = dt.datetime.combine(day, dt.time(), dt.timezone.utc)
        fresh = [
            (customers + i + 1, f"customer{customers + i + 1}@example.com", rng.choice(CITIES), midnight)
            for i in range(rng.randint(2, 6))
        ]
        customers += len(fresh)
        write("customers", day, pa.table({
            "id": pa.array([r[0] for r in fresh], pa.int64()),
            "email": pa.array([r[1] for r in fresh], pa.string()),
            "city": pa.array([r[2] for r in fresh], pa.string()),
            "created_at": pa.array([r[3] for r in fresh], pa.timestamp("us", "UTC")),
        }))
        rows = []
        for _ in range(rng.randint(20, 60)):
            orders += 1
            rows.append((
                orders, rng.randint(1, customers), rng.choice(PRODUCTS), rng.randint(1, 5),
                decimal.Decimal(rng.randint(300, 9900)) / 100, rng.choice(STATUS),
                midnight + dt.timedelta(seconds=rng.randint(0, 86399)),
            ))
        write("orders", day, pa.table({
            "id": pa.array([r[0] for r in rows], pa.int64()),
            "customer_id": pa.array([r[1] for r in rows], pa.int64()),
            "product": pa.array([r[2] for r in rows], pa.string()),
            "quantity": pa.array([r[3] for r in rows], pa.int32()),
            "price": pa.array([r[4] for r in rows], pa.decimal128(12, 2)),
            "status": pa.array([r[5] for r in rows], pa.string()),
            "ordered_at": pa.array([r[6] for r in rows], pa.timestamp("us", "UTC")),
        }))
        day += dt.timedelta(days=1)


if __name__ == "__main__":
    main()
