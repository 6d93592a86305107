SELECT count(*), sum(total_price) FROM (
  SELECT id, total_price FROM orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY _airbyte_extracted_at DESC) = 1
) latest
