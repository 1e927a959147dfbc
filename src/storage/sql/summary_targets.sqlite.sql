-- Every target that is wanted, with a row for each of its series, or one with no series.
SELECT t.id, t.name, s.key
FROM targets AS t
LEFT JOIN series AS s ON s.target_key = t.key
WHERE CASE WHEN ?1 IS NULL THEN t.enabled = 1 ELSE t.id = ?1 END
ORDER BY t.name, t.key
