SELECT id, name, email, currency, total_price FROM orders ORDER BY total_price DESC, id LIMIT 20
