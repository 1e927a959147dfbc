-- A slug stays when the file stops giving one: the target is still the same.
UPDATE targets AS t SET
    slug = coalesce(d.slug, t.slug), name = d.name, present = true, enabled = d.enabled, interval_us = d.interval_us,
    timeout_us = d.timeout_us, slow_after_us = d.slow_after_us, group_name = d.group_name, tags = d.tags::json,
    description = d.description, type = d.type, host = d.host, url = d.url, spec = d.spec::json, updated_at = $15
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    AS d (id, slug, name, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description, type, host, url, spec)
WHERE t.id = d.id
