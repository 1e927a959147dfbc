SELECT s.key
FROM series AS s
JOIN targets AS t ON t.key = s.target_key
WHERE t.id = ?1 AND s.location_key = ?2
