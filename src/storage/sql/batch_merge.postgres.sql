-- A whole batch of anything: what is there stays, what is older than the newest replaces nothing. Parameters as in batch_append.
WITH numbers AS (
    UPDATE counters SET value = value + $1 WHERE name = 'result' RETURNING value - $1 / (floor <= $12)::int4 AS base
),
rows AS MATERIALIZED (
    SELECT unnest($2::timestamptz[]) AS ts, unnest($3::int4[]) AS number, unnest($4::int4[]) AS series_key, unnest($5::int4[]) AS lag_us,
        unnest($6::int4[]) AS latency_us, unnest($7::int4[]) AS verdict_key, unnest($8::text[]) AS detail, unnest($9::timestamptz[]) AS began
),
newest AS (
    INSERT INTO target_state AS s (ts, id, since, series_key, lag_us, latency_us, verdict_key, detail)
    SELECT n.ts, base + n.number, n.began, n.series_key, n.lag_us, n.latency_us, n.verdict_key, n.detail::json
    FROM numbers, rows AS n
    WHERE n.began IS NOT NULL
    ON CONFLICT (series_key) DO UPDATE SET
        ts = excluded.ts,
        id = excluded.id,
        lag_us = excluded.lag_us,
        latency_us = excluded.latency_us,
        verdict_key = excluded.verdict_key,
        detail = excluded.detail,
        since = CASE
            WHEN excluded.verdict_key % 4 <> s.verdict_key % 4 OR excluded.series_key = ANY ($10) THEN excluded.since
            ELSE s.since
        END
    WHERE excluded.ts > s.ts
),
-- $11 are the buckets of five minutes whose roll-ups do not agree any more.
marked AS (
    INSERT INTO stale AS s (width, bucket, marks)
    SELECT 300, bucket, 1 FROM unnest($11::timestamptz[]) AS bucket
    ON CONFLICT (width, bucket) DO UPDATE SET marks = s.marks + 1
)
INSERT INTO results (ts, id, series_key, lag_us, latency_us, verdict_key, detail)
SELECT r.ts, base + r.number, r.series_key, r.lag_us, r.latency_us, r.verdict_key, r.detail::json
FROM numbers, rows AS r
ON CONFLICT DO NOTHING
