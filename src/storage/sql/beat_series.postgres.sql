-- The series of enabled targets.
SELECT s.key, t.id
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
WHERE t.enabled
