INSERT INTO targets (id, slug, name, present, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description,
                     type, host, url, spec, created_at, updated_at, fail_after, recover_after)
VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, ?16, ?17)
