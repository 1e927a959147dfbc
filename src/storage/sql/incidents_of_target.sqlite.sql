-- As incidents_page, of the target ?7: along an index of its own.
SELECT i.id, t.id, t.name, l.name, i.began_at, i.opened_at, i.last_failed_at, i.ended_at, i.ended_by, i.failed,
       i.reason, i.error, i.last_reason, i.last_error, i.changes
FROM targets AS t
JOIN incidents AS i ON i.target_key = t.key
JOIN locations AS l ON l.key = i.location_key
WHERE t.id = ?7
  AND i.began_at < ?2
  AND (i.began_at, i.id) < (?3, ?4)
  AND (i.began_at >= ?1 OR +i.ended_at IS NULL OR +i.ended_at > ?1)
  AND (+i.ended_at IS NOT NULL OR NOT ?5)
ORDER BY i.began_at DESC, i.id DESC
LIMIT ?6
