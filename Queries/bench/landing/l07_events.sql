SELECT metric, date_trunc('month', "datetime") AS month, count(*),
  sum(json_extract_string(attributes, '$.event_properties."$value"')::DECIMAL(18,2)) AS value,
  count(DISTINCT attributes::JSON->'event_properties'->>'Campaign Name')
FROM (SELECT * FROM events QUALIFY row_number() OVER (PARTITION BY id ORDER BY "datetime" DESC) = 1) e
GROUP BY 1, 2
