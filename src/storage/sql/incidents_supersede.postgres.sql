-- Of the targets $2 at the location $1 nothing older goes on when something begins at $3.
UPDATE incidents AS old SET ended_at = new.began_at, ended_by = 'superseded'
FROM (
    SELECT t.key, max(began_at) AS began_at
    FROM unnest($2::uuid[], $3::timestamptz[]) AS new (target, began_at)
    JOIN targets AS t ON t.id = new.target
    GROUP BY t.key
) AS new
WHERE old.ended_at IS NULL AND old.location_key = $1 AND old.target_key = new.key AND old.began_at < new.began_at
