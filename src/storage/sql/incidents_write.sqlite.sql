-- Nothing where the target ?1 is not known. An end that is stored stays.
INSERT INTO incidents (target_key, location_key, began_at, opened_at, last_failed_at, ended_at, ended_by, failed,
                       reason, error, last_reason, last_error, changes)
SELECT key, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM targets WHERE id = ?1
ON CONFLICT (target_key, location_key, began_at) DO UPDATE
SET last_failed_at = excluded.last_failed_at, ended_at = coalesce(incidents.ended_at, excluded.ended_at),
    ended_by = coalesce(incidents.ended_by, excluded.ended_by), failed = max(incidents.failed, excluded.failed),
    last_reason = excluded.last_reason, last_error = excluded.last_error, changes = excluded.changes
WHERE incidents.ended_at IS NULL OR excluded.last_failed_at >= incidents.last_failed_at
