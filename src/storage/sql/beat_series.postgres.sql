-- The series of enabled targets, and the newest slot of each: one that is known has nothing new behind it.
SELECT s.key, t.id, st.ts
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
LEFT JOIN target_state AS st ON st.series_key = s.key
WHERE t.enabled
