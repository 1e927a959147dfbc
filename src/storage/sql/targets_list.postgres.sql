-- $1: enabled ones, those that are not, or with NULL all. The oldest first where names are equal.
SELECT id, slug, name, present, enabled, interval_us, timeout_us, slow_after_us, group_name, tags::text, description, spec::text,
       fail_after, recover_after, created_at
FROM targets
WHERE $1::boolean IS NULL OR enabled = $1
ORDER BY name, present, updated_at
