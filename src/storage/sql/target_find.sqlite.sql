-- By id, then by the file's id, then by name; a name that the file uses before a past one.
SELECT id, slug, name, present, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description, spec,
       fail_after, recover_after, created_at
FROM (
    SELECT *, 1 AS rank FROM targets WHERE id = ?2
    UNION ALL
    SELECT *, 2 FROM targets WHERE slug = ?1
    UNION ALL
    SELECT *, 3 FROM targets WHERE name = ?1 AND present = 1
    UNION ALL
    SELECT *, 4 FROM targets WHERE name = ?1 AND present = 0
)
ORDER BY rank, updated_at DESC
LIMIT 1
