-- ?9 is 1 where all results of the batch have one outcome, which may then have begun before it.
-- A result that arrives late must not replace a newer one; the outcome's beginning moves only when the outcome does.
INSERT INTO target_state (series_key, ts, id, lag_us, latency_us, verdict_key, detail, since)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (series_key) DO UPDATE SET
    ts = excluded.ts,
    id = excluded.id,
    lag_us = excluded.lag_us,
    latency_us = excluded.latency_us,
    verdict_key = excluded.verdict_key,
    detail = excluded.detail,
    since = CASE
        WHEN ?9 = 1 AND excluded.verdict_key % 4 = target_state.verdict_key % 4 THEN target_state.since
        ELSE excluded.since
    END
WHERE excluded.ts > target_state.ts
