-- Those that touch the span from $1 to $2 and come after the position $3, $4; with $5 those that have ended alone. The newest $6; of
-- the target $7, or with NULL of all. Planned with its values at hand, so that each has the index that fits.
SELECT i.id, t.id, t.name, l.name, i.began_at, i.opened_at, i.last_failed_at, i.ended_at, i.ended_by, i.failed,
       i.reason, i.error, i.last_reason, i.last_error, i.changes::text
FROM incidents AS i
JOIN targets AS t ON t.key = i.target_key
JOIN locations AS l ON l.key = i.location_key
WHERE i.began_at < $2
  AND (i.began_at, i.id) < ($3, $4)
  AND (i.began_at >= $1 OR i.ended_at IS NULL OR i.ended_at > $1)
  AND (i.ended_at IS NOT NULL OR NOT $5)
  AND ($7::uuid IS NULL OR i.target_key = (SELECT key FROM targets WHERE id = $7))
ORDER BY i.began_at DESC, i.id DESC
LIMIT $6
