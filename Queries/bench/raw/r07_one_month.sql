SELECT day, count(*), max(total_price) FROM orders WHERE year = 2026 AND month = 1 GROUP BY day
