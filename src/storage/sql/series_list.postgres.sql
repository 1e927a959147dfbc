-- The series of one target ($1), or of all, that have results; the $2 most recently probed, with those that are as recent.
SELECT s.key, t.id, t.name, l.name, st.ts, t.interval_us
FROM target_state AS st
JOIN series AS s ON s.key = st.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key
WHERE $1 IS NULL OR t.id = $1
ORDER BY st.ts DESC
FETCH FIRST ($2) ROWS WITH TIES
