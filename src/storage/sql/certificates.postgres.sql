-- What a target presented last at each location, the newest first.
SELECT l.name, c.seen_at, c.chain::text
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
JOIN certificates AS c ON c.series_key = s.key
JOIN locations AS l ON l.key = s.location_key
WHERE t.id = $1
ORDER BY c.seen_at DESC, l.name
