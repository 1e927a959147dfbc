-- A whole batch of which every slot is new and every result newer than what its series had: numbers, results, newest results. What
-- is not so fails (a slot that is there) or shows in the count of the update (a series without a row, or with a newer one);
-- batch_merge then does it, at twice the cost.
-- Whoever holds the counter writes; the next one sees all of it, so that ids increase in the order in which results become visible,
-- and batches never wait for each other in a circle.
-- A result of before the floor fails the batch, by a division by zero: the floor is looked at in the row as it is once it is held,
-- where everything else is seen as it was when the statement began. $19 is the earliest day.
-- $2 to $8 are the results, ordered by series and slot; $9 to $16 the newest of each series. The outcome's beginning moves only when
-- the outcome does, or when it changed within this batch: $17 are the series of which that is so.
WITH numbers AS (
    UPDATE counters SET value = value + $1 WHERE name = 'result' RETURNING value - $1 / (floor <= $19)::int4 AS base
),
stored AS (
    INSERT INTO results (ts, id, series_key, lag_us, latency_us, verdict_key, detail)
    SELECT r.ts, base + r.number, r.series_key, r.lag_us, r.latency_us, r.verdict_key, r.detail::json
    FROM numbers,
        unnest($2::timestamptz[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::int4[], $8::text[])
            AS r (ts, number, series_key, lag_us, latency_us, verdict_key, detail)
),
-- $18 are the buckets of five minutes whose roll-ups do not agree any more.
marked AS (
    INSERT INTO stale AS s (width, bucket, marks)
    SELECT 300, bucket, 1 FROM unnest($18::timestamptz[]) AS bucket
    ON CONFLICT (width, bucket) DO UPDATE SET marks = s.marks + 1
)
UPDATE target_state AS s SET
    ts = n.ts,
    id = base + n.number,
    lag_us = n.lag_us,
    latency_us = n.latency_us,
    verdict_key = n.verdict_key,
    detail = n.detail::json,
    since = CASE
        WHEN n.verdict_key % 4 <> s.verdict_key % 4 OR n.series_key = ANY ($17) THEN n.began
        ELSE s.since
    END
FROM numbers,
    unnest($9::timestamptz[], $10::int4[], $11::timestamptz[], $12::int4[], $13::int4[], $14::int4[], $15::int4[], $16::text[])
        AS n (ts, number, began, series_key, lag_us, latency_us, verdict_key, detail)
WHERE s.series_key = n.series_key AND s.ts < n.ts
