-- The series of one target ($1), or of all, that have results; the $2 most recently probed, with those that are as recent.
SELECT s.key, t.id, t.name, l.name, newest.ts, t.interval_us
FROM (
    SELECT series_key, ts
    FROM target_state
    WHERE $1::uuid IS NULL OR series_key = ANY (
        ARRAY(SELECT own.key FROM series AS own JOIN targets AS whose ON whose.key = own.target_key WHERE whose.id = $1)
    )
    ORDER BY ts DESC
    FETCH FIRST ($2) ROWS WITH TIES
) AS newest
JOIN series AS s ON s.key = newest.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key
ORDER BY newest.ts DESC
