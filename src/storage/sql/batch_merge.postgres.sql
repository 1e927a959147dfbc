-- A whole batch of anything: what is there stays, what is older than the newest replaces nothing. Parameters as in batch_append.
WITH numbers AS (
    UPDATE counters SET value = value + $1 WHERE name = 'result' RETURNING value - $1 / (floor <= $19)::int4 AS base
),
newest AS (
    INSERT INTO target_state AS s (ts, id, since, series_key, lag_us, latency_us, verdict_key, detail)
    SELECT n.ts, base + n.number, n.began, n.series_key, n.lag_us, n.latency_us, n.verdict_key, n.detail::json
    FROM numbers,
        unnest($9::timestamptz[], $10::int4[], $11::timestamptz[], $12::int4[], $13::int4[], $14::int4[], $15::int4[], $16::text[])
            AS n (ts, number, began, series_key, lag_us, latency_us, verdict_key, detail)
    ON CONFLICT (series_key) DO UPDATE SET
        ts = excluded.ts,
        id = excluded.id,
        lag_us = excluded.lag_us,
        latency_us = excluded.latency_us,
        verdict_key = excluded.verdict_key,
        detail = excluded.detail,
        since = CASE
            WHEN excluded.verdict_key % 4 <> s.verdict_key % 4 OR excluded.series_key = ANY ($17) THEN excluded.since
            ELSE s.since
        END
    WHERE excluded.ts > s.ts
),
-- $18 are the buckets of five minutes whose roll-ups do not agree any more.
marked AS (
    INSERT INTO stale AS s (width, bucket, marks)
    SELECT 300, bucket, 1 FROM unnest($18::timestamptz[]) AS bucket
    ON CONFLICT (width, bucket) DO UPDATE SET marks = s.marks + 1
)
INSERT INTO results (ts, id, series_key, lag_us, latency_us, verdict_key, detail)
SELECT r.ts, base + r.number, r.series_key, r.lag_us, r.latency_us, r.verdict_key, r.detail::json
FROM numbers,
    unnest($2::timestamptz[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::int4[], $8::text[])
        AS r (ts, number, series_key, lag_us, latency_us, verdict_key, detail)
ON CONFLICT DO NOTHING
