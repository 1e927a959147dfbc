-- The series of one target (?1), or of all. Two questions in one: a single `?1 IS NULL OR …` would look at every target for one.
SELECT s.key, t.id
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
WHERE t.id = ?1
UNION ALL
SELECT s.key, t.id
FROM series AS s
JOIN targets AS t ON t.key = s.target_key
WHERE ?1 IS NULL
ORDER BY 1
