SELECT item, count(*), count(DISTINCT profile) FROM (
  SELECT unnest(from_json(attributes::JSON->'event_properties'->'items', '["VARCHAR"]')) AS item,
    attributes::JSON->'profile'->>'email' AS profile
  FROM events WHERE metric IN ('Placed Order', 'Viewed Product') AND year = 2025
) x GROUP BY item
