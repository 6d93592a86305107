SELECT count(DISTINCT email) FROM orders
