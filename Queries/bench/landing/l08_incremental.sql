SELECT year, month, day, count(*), sum(total_price), max(updated_at), count(total_weight)
FROM orders
WHERE year = 2026 AND month = 11 AND day >= 20 AND updated_at >= TIMESTAMP '2026-11-20'
GROUP BY ALL ORDER BY ALL
