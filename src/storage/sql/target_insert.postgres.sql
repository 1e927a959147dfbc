INSERT INTO targets (id, slug, name, present, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description,
                     type, host, url, spec, created_at, updated_at)
SELECT id, slug, name, true, enabled, interval_us, timeout_us, slow_after_us, group_name, tags::json, description,
       type, host, url, spec::json, $15, $15
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    AS d (id, slug, name, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description, type, host, url, spec)
