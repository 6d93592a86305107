"""Makes the landing of bench.py's set `landing`: Shopify and Klaviyo raw data over three years, as loaders leave it.

Run: python3 Tests/Bench/gen_landing.py DIR [--scale 1.0]. Below DIR: orders, refunds, customers and events, daily or
monthly files in year=/month=/day= folders. Each year's files have another schema: columns come, go, move, change
case and widen, structs get fields; rows are delivered more than once. The same numbers come each time. Needs PyPI duckdb.
"""
import argparse
import pathlib

import duckdb

# What all tables say of a row: n is its number, r(k) a number below 2^32 that depends on n and k only.
RANDOM = "CREATE MACRO r(n, k) AS CAST(hash(n * 1000003 + k * 7919) >> 32 AS BIGINT)"

SKUS = "['SOF-001', 'TAB-014', 'LMP-\"M\"', 'KIS-ü', 'TEP-160', 'CHR-009', 'BED-200', 'DSK-050']"
CITIES = "['Berlin', 'Wien', 'Zürich', 'München', 'Paris', 'Köln', 'Graz']"
COUNTRIES = "['DE', 'AT', 'CH', 'DE', 'FR', 'DE', 'AT']"


def item(k: int) -> str:
    return (f"""'{{"id":' || (o * 10 + {k}) || ',"sku":' || to_json({SKUS}[1 + r(o, {20 + k}) % 8])"""
            f""" || ',"quantity":' || (1 + r(o, {30 + k}) % 3) || ',"price":"' ||"""
            f""" printf('%.2f', (990 + r(o, {40 + k}) % 90000) / 100) || '","taxable":true,"properties":[]}}'""")


# An order is named by o; every 16th row delivers an older order again, with a later update.
ORDER_BASE = f"""
    SELECT n, CASE WHEN r(n, 1) % 16 = 0 AND n > 5000 THEN n - 1 - r(n, 2) % 4000 ELSE n END AS o, n <> o AS again,
        TIMESTAMP '2024-01-01' + to_seconds(CAST(n * (94694400.0 / total) AS BIGINT)) AS landed
    FROM (SELECT range AS n, $total AS total FROM range($total))
"""
ORDERS = f"""
    SELECT md5('o' || n) AS _airbyte_raw_id, landed + INTERVAL 6 HOUR AS _airbyte_extracted_at,
        5000000000 + o * 17 AS id, CAST(1000 + o AS INTEGER) AS order_number,
        CASE WHEN r(o, 3) % 50 = 0 THEN NULL ELSE 'User' || (r(o, 4) % $customers) || '@example.com' END AS email,
        landed - INTERVAL 1 HOUR AS created_at, landed + CASE WHEN again THEN INTERVAL 2 DAY ELSE INTERVAL 0 DAY END AS updated_at,
        CASE WHEN r(n, 5) % 30 = 0 THEN landed + INTERVAL 5 HOUR END AS cancelled_at,
        ['EUR', 'CHF', 'EUR', 'EUR'][1 + r(o, 6) % 4] AS currency,
        CASE WHEN again THEN 'refunded' ELSE ['paid', 'paid', 'pending', 'paid'][1 + r(o, 7) % 4] END AS financial_status,
        CAST((990 + r(o, 8) % 99000) / 100 AS DECIMAL(10, 2)) AS total_price,
        CAST((r(o, 9) % 9000) / 100 AS FLOAT) AS total_weight,
        array_to_string(list_filter(['vip', 'b2b', 'newsletter', 'app'], (x, i) -> r(o, 10 + i) % 3 = 0), ', ') AS tags,
        '[' || array_to_string([{item(0)}, {item(1)}, {item(2)}, {item(3)}][: 1 + r(o, 19) % 4], ',') || ']' AS line_items,
        '{{"id":' || (r(o, 4) % $customers) || ',"email":"user' || (r(o, 4) % $customers) || '@example.com","default_address":{{"city":"'
            || {CITIES}[1 + r(o, 15) % 7] || '","country_code":"' || {COUNTRIES}[1 + r(o, 15) % 7]
            || '"}},"orders_count":' || (r(o, 16) % 20) || ',"accepts_marketing":' || CASE WHEN r(o, 17) % 5 < 2 THEN 'true' ELSE 'false' END || '}}' AS customer,
        CASE WHEN r(o, 18) % 10 = 0 THEN '[{{"code":"WELCOME' || (r(o, 19) % 3) || '","amount":"10.00","type":"percentage"}},{{"code":"SHIP","amount":"4.90","type":"shipping"}}]'
            ELSE '[]' END AS discount_codes, landed
    FROM ({ORDER_BASE})
"""
REFUND_LINES = """
    list_transform(range(1 + r(n, 3) % 3), i -> {'line_item_id': CAST(o * 10 + i AS BIGINT), 'quantity': CAST(1 + r(n, 4 + i) % 2 AS INTEGER),
        'subtotal': CAST((990 + r(n, 7 + i) % 9000) / 100 AS DECIMAL(10, 2))$more})
"""
REFUND_BASE = """
    SELECT range AS n, range * 9 % $orders AS o, TIMESTAMP '2024-01-01' + to_seconds(CAST(range * (94694400.0 / $total) AS BIGINT)) AS landed
    FROM range($total)
"""
CUSTOMERS = f"""
    SELECT landed + INTERVAL 6 HOUR AS _airbyte_extracted_at, c AS id, 'user' || c || '@example.com' AS email,
        'First' || (c % 977) AS first_name, CAST(r(n, 2) % 40 AS INTEGER) AS orders_count,
        CAST((r(n, 3) % 900000) / 100 AS DECIMAL(10, 2)) AS total_spent, CAST('1960-01-01' AS DATE) + CAST(r(c, 4) % 15000 AS INTEGER) AS born,
        {{'city': {CITIES}[1 + r(c, 5) % 7], 'zip': CAST(10000 + r(c, 6) % 80000 AS INTEGER)}} AS default_address,
        landed AS updated_at, landed
    FROM (SELECT range AS n, r(range, 1) % $customers AS c,
        TIMESTAMP '2024-01-01' + to_seconds(CAST(range * (94694400.0 / $total) AS BIGINT)) AS landed FROM range($total))
"""
EVENTS = """
    SELECT md5('e' || e) AS id, CAST(epoch(landed) AS INTEGER) AS "timestamp", landed AS "datetime",
        ['Placed Order', 'Opened Email', 'Clicked Email', 'Viewed Product', 'Opened Email'][1 + r(e, 2) % 5] AS metric,
        '{"profile":{"email":"user' || (r(e, 3) % $customers) || '@example.com"},"event_properties":{"$value":'
            || printf('%.2f', (r(e, 4) % 30000) / 100) || ',"Campaign Name":"C' || (r(e, 5) % 40) || '","Subject":"Sofas \\u00fcber \\"alles\\"","items":["'
            || ['SOF-001', 'TAB-014', 'LMP-2'][1 + r(e, 6) % 3] || '","' || ['KIS-1', 'TEP-160'][1 + r(e, 7) % 2] || '"]},"timestamp":'
            || epoch(landed) || '}' AS attributes, landed
    FROM (SELECT range AS n, CASE WHEN r(range, 1) % 25 = 0 AND range > 900 THEN range - 1 - r(range, 8) % 800 ELSE range END AS e,
        TIMESTAMP '2024-01-01' + to_seconds(CAST(range * (94694400.0 / $total) AS BIGINT)) AS landed FROM range($total))
"""

# What the columns are in 2024, 2025 and 2026: later, wider, elsewhere, under another case.
YEARS = {
    "orders": [
        "* EXCLUDE (total_weight, discount_codes)",
        "* REPLACE (CAST(order_number AS BIGINT) AS order_number, CAST(total_price AS DECIMAL(18, 4)) AS total_price), 'web' AS source_name",
        "customer, line_items AS line_items, id, updated_at, CAST(total_price AS DECIMAL(18, 4)) AS total_price, * EXCLUDE (customer, line_items, id, updated_at, total_price, email, tags, total_weight), "
        "email AS \"Email\", CAST(total_weight AS DOUBLE) AS total_weight, tags, NULL::BIGINT AS app_id",
    ],
    "refunds": [
        "500000 + n AS id, CAST(o AS INTEGER) AS order_no, landed AS created_at, " + REFUND_LINES.replace("$more", "") + " AS refund_line_items",
        "500000 + n AS id, CAST(o AS BIGINT) AS order_no, landed AS created_at, 'note ' || n % 7 AS note, " + REFUND_LINES.replace("$more", ", 'restock_type': ['return', 'cancel'][1 + n % 2]") + " AS refund_line_items",
        REFUND_LINES.replace("AS INTEGER)", "AS BIGINT)").replace("$more", ", 'location': {'id': n % 5, 'name': 'L' || n % 5}, 'restock_type': 'return'")
        + " AS refund_line_items, 'note ' || n % 7 AS note, 500000 + n AS \"ID\", CAST(o AS BIGINT) AS order_no, landed AS created_at",
    ],
    "customers": [
        "*",
        "* REPLACE (CAST(orders_count AS BIGINT) AS orders_count, CAST(total_spent AS DECIMAL(18, 4)) AS total_spent, "
        "{'city': default_address.city, 'country_code': ['DE', 'AT', 'CH'][1 + id % 3], 'zip': default_address.zip} AS default_address), 'enabled' AS state",
        "* REPLACE (CAST(orders_count AS DOUBLE) AS orders_count, CAST(total_spent AS DECIMAL(18, 4)) AS total_spent, CAST(born AS TIMESTAMP) AS born, "
        "{'zip': CAST(default_address.zip AS BIGINT), 'country_code': ['DE', 'AT', 'CH'][1 + id % 3], 'city': default_address.city, 'geo': {'lat': id % 90, 'lon': id % 180}} AS default_address)",
    ],
    "events": ["* EXCLUDE (metric), metric AS metric", "* REPLACE (CAST(\"timestamp\" AS BIGINT) AS \"timestamp\"), md5(id) AS uuid",
               "attributes, uuid, * EXCLUDE (attributes, uuid)"],
}


def write(duck, folder: pathlib.Path, table: str, rows: str, keys: str) -> None:
    duck.execute(f"CREATE OR REPLACE TABLE made AS {rows}")
    for index, columns in enumerate(YEARS[table]):
        year = 2024 + index
        inner = f"SELECT *{', md5(id) AS uuid' if table == 'events' and year == 2026 else ''} FROM made"
        days = f"""SELECT * EXCLUDE (landed), year(landed) AS year, strftime(landed, '%m') AS month, strftime(landed, '%d') AS day
            FROM (SELECT {columns if 'landed AS' not in columns else columns + ', landed'} FROM ({inner}) WHERE year(landed) = {year})"""
        if keys == "year, month":
            days = f"SELECT * EXCLUDE (day) FROM ({days})"
        duck.execute(
            f"COPY ({days}) TO '{folder / table}' (FORMAT parquet, PARTITION_BY ({keys}), COMPRESSION snappy, OVERWRITE_OR_IGNORE,"
            f" FILENAME_PATTERN 'part_{year}_{{i}}')")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--monthly", action="store_true", help="no day= folders")
    options = parser.parse_args()
    folder = pathlib.Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    duck = duckdb.connect()
    duck.execute(RANDOM)
    duck.execute("SET threads = 1")
    duck.execute("SET TimeZone = 'UTC'")
    orders, customers = int(600_000 * options.scale), max(10, int(60_000 * options.scale))

    def sized(sql: str, total: int) -> str:
        return sql.replace("$total", str(total)).replace("$orders", str(orders)).replace("$customers", str(customers))

    days = "year, month" if options.monthly else "year, month, day"
    write(duck, folder, "orders", sized(ORDERS, orders), days)
    write(duck, folder, "refunds", sized(REFUND_BASE, orders // 8), "year, month")
    write(duck, folder, "customers", sized(CUSTOMERS, orders // 3), "year, month")
    write(duck, folder, "events", sized(EVENTS, orders * 2), days)
    for table in YEARS:
        files = list((folder / table).rglob("*.parquet"))
        print(table, len(files), "files", sum(f.stat().st_size for f in files) >> 20, "MiB")


if __name__ == "__main__":
    main()
