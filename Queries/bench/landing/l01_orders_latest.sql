SELECT count(*), sum(total_price), max(order_number), count(email), sum(app_id)
FROM (
  SELECT * FROM orders
  QUALIFY row_number() OVER (PARTITION BY id ORDER BY updated_at DESC, _airbyte_extracted_at DESC) = 1
) latest
