SELECT t.key, t.id, t.name, coalesce((SELECT max(s.ts) FROM target_state AS s WHERE s.target_key = t.key), 0)
FROM targets AS t
WHERE t.id = ?1
