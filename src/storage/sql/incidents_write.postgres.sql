-- At the location $1; nothing of targets that are not known. An end that is stored stays.
INSERT INTO incidents AS known (target_key, location_key, began_at, opened_at, last_failed_at, ended_at, ended_by, failed,
                                reason, error, last_reason, last_error, changes)
SELECT t.key, $1, new.began_at, new.opened_at, new.last_failed_at, new.ended_at, new.ended_by, new.failed,
       new.reason, new.error, new.last_reason, new.last_error, new.changes::json
FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::int8[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
    AS new (target, began_at, opened_at, last_failed_at, ended_at, ended_by, failed, reason, error, last_reason,
            last_error, changes)
JOIN targets AS t ON t.id = new.target
ORDER BY t.key, new.began_at
ON CONFLICT (target_key, location_key, began_at) DO UPDATE
SET last_failed_at = excluded.last_failed_at, ended_at = coalesce(known.ended_at, excluded.ended_at),
    ended_by = coalesce(known.ended_by, excluded.ended_by), failed = greatest(known.failed, excluded.failed),
    last_reason = excluded.last_reason, last_error = excluded.last_error, changes = excluded.changes
WHERE known.ended_at IS NULL OR excluded.last_failed_at >= known.last_failed_at
