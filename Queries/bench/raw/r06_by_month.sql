SELECT year, month, count(*), sum(subtotal_price), count(cancelled_at) FROM orders GROUP BY year, month
