WITH items AS (
  SELECT id, currency,
    unnest(from_json(line_items, '[{"id": "BIGINT", "sku": "VARCHAR", "quantity": "INTEGER", "price": "DECIMAL(18,2)"}]')) AS item
  FROM orders
  WHERE year = 2026
)
SELECT item.sku, currency, count(*), sum(item.quantity), sum(item.quantity * item.price) AS revenue
FROM items GROUP BY ALL ORDER BY revenue DESC, 1, 2 LIMIT 12
