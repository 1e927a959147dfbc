-- ?1: 1 enabled, 0 disabled, NULL all. The oldest first where names are equal.
SELECT id, slug, name, present, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description, spec,
       fail_after, recover_after, created_at
FROM targets
WHERE ?1 IS NULL OR enabled = ?1
ORDER BY name, present, updated_at
