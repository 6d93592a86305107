WITH lines AS (
  SELECT id, order_no, created_at, unnest(refund_line_items) AS line FROM refunds
)
SELECT year(created_at) AS y, coalesce(line.restock_type, 'none') AS restock, line.location.name AS location,
  count(*), sum(line.quantity), sum(line.quantity * line.subtotal)
FROM lines GROUP BY ALL ORDER BY ALL
