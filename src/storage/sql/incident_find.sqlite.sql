SELECT i.id, t.id, t.name, l.name, i.began_at, i.opened_at, i.last_failed_at, i.ended_at, i.ended_by, i.failed,
       i.reason, i.error, i.last_reason, i.last_error, i.changes
FROM incidents AS i
JOIN targets AS t ON t.key = i.target_key
JOIN locations AS l ON l.key = i.location_key
WHERE i.id = ?1
