SELECT customer::JSON->>'$.default_address.country_code' AS country, currency,
  count(*), sum(total_price), sum((customer::JSON->>'$.orders_count')::INT),
  count(*) FILTER (WHERE (customer::JSON->>'$.accepts_marketing')::BOOLEAN)
FROM orders
GROUP BY 1, 2
