select order_id * 100 + line as line_id, order_id, product, quantity, price, make_date(year::int, month::int, day::int) as arrived
from {{ source('raw', 'lines') }}
