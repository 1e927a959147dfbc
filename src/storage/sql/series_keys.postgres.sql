-- The series of one target ($1), or of all.
SELECT s.key, t.id
FROM series AS s
JOIN targets AS t ON t.key = s.target_key
WHERE $1::uuid IS NULL OR t.id = $1
ORDER BY s.key
