WITH profiles AS (
  SELECT lower(attributes::JSON->'profile'->>'email') AS email, count(*) AS opens
  FROM events WHERE metric = 'Opened Email' AND year = 2026 GROUP BY 1
), buyers AS (
  SELECT lower(email) AS email, count(DISTINCT id) AS orders, sum(total_price) AS spent
  FROM orders WHERE year = 2026 GROUP BY 1
)
SELECT CASE WHEN orders IS NULL THEN 'none' WHEN orders = 1 THEN 'one' ELSE 'more' END AS kind,
  count(*), sum(opens), sum(spent)
FROM profiles LEFT JOIN buyers USING (email) GROUP BY 1
