SELECT json_extract_string(line_items, '$[0].sku') AS sku, json_array_length(line_items) AS items, count(*)
FROM orders WHERE year = 2025 AND month BETWEEN 3 AND 9
GROUP BY 1, 2
