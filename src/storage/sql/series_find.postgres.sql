SELECT t.id, s.key
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
WHERE t.id = ANY ($1) AND s.location_key = $2
