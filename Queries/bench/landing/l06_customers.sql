WITH latest AS (
  SELECT * FROM customers QUALIFY row_number() OVER (PARTITION BY id ORDER BY updated_at DESC) = 1
)
SELECT default_address.city, default_address.country_code, count(*), sum(orders_count), sum(total_spent),
  min(born), max(default_address.zip), max(default_address.geo.lat)
FROM latest GROUP BY ALL ORDER BY ALL
