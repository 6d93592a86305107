select order_id, customer_id, status, ordered_at, make_date(year::int, month::int, day::int) as arrived
from {{ source('raw', 'orders') }}
