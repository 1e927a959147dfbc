-- The series of one target (?1), or of all, that have results; the most recently probed first. In two parts as in series_keys.
SELECT s.key, t.id, t.name, l.name, st.ts
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
JOIN target_state AS st ON st.series_key = s.key
JOIN locations AS l ON l.key = s.location_key
WHERE t.id = ?1
UNION ALL
SELECT s.key, t.id, t.name, l.name, st.ts
FROM target_state AS st
JOIN series AS s ON s.key = st.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key
WHERE ?1 IS NULL
ORDER BY 5 DESC
