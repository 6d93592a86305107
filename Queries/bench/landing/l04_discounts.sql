WITH codes AS (
  SELECT id, created_at, unnest(from_json(json_extract(discount_codes, '$[*].code'), '["VARCHAR"]')) AS code
  FROM orders
  WHERE discount_codes <> '[]' AND year >= 2025
)
SELECT code, date_trunc('month', created_at)::DATE AS month, count(*), count(DISTINCT id)
FROM codes GROUP BY ALL ORDER BY ALL
