-- At most ?3 roll-ups of the hours ?1 <= bucket < ?2: a search for each series, never a walk through the whole table.
DELETE FROM hours
WHERE (series_key, bucket) IN (
    SELECT h.series_key, h.bucket
    FROM series AS s
    CROSS JOIN hours AS h ON h.series_key = s.key AND h.bucket >= ?1 AND h.bucket < ?2
    LIMIT ?3
)
