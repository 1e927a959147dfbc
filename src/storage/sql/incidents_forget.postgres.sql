-- At most $2 that ended before $1.
DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)
