-- A slug stays when the file stops giving one: the target is still the same.
UPDATE targets SET
    slug = coalesce(?2, slug), name = ?3, present = 1, enabled = ?4, interval_us = ?5, timeout_us = ?6, slow_after_us = ?7,
    group_name = ?8, tags = ?9, description = ?10, type = ?11, host = ?12, url = ?13, spec = ?14, updated_at = ?15,
    fail_after = ?16, recover_after = ?17
WHERE id = ?1
