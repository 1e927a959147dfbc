-- At most $3 roll-ups of the hours $1 <= bucket < $2: a search for each series, never a walk through the whole table.
DELETE FROM hours AS h
USING (
    SELECT old.series_key, old.bucket
    FROM series AS s
    CROSS JOIN LATERAL (
        SELECT series_key, bucket FROM hours WHERE series_key = s.key AND bucket >= $1 AND bucket < $2 OFFSET 0
    ) AS old
    LIMIT $3
) AS gone
WHERE h.series_key = gone.series_key AND h.bucket = gone.bucket
