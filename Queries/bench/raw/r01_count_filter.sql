SELECT count(*) FROM orders WHERE total_price > 1000 AND financial_status = 'paid'
