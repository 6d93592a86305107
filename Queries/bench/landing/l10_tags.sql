WITH tagged AS (
  SELECT id, total_price, unnest(string_split(tags, ', ')) AS tag FROM orders
)
SELECT tag, count(*), sum(total_price), count(DISTINCT id) FROM tagged WHERE tag <> '' GROUP BY tag ORDER BY tag
