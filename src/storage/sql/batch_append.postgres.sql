-- A whole batch of which every slot is new and every result newer than what its series had: numbers, results, newest results. What
-- is not so fails (a slot that is there) or shows in the count of the update (a series without a row, or with a newer one);
-- batch_merge then does it, at twice the cost.
-- Whoever holds the counter writes; the next one sees all of it, so that ids increase in the order in which results become visible,
-- and batches never wait for each other in a circle.
-- A result of before the floor fails the batch, by a division by zero: the floor is looked at in the row as it is once it is held,
-- where everything else is seen as it was when the statement began. $12 is the earliest day.
-- $2 to $8 are the results, ordered by series and slot; $9 is not null for the newest of each series. Lists of the SELECT are read side
-- by side; as functions of FROM each would be written down first, and one list serves both tables. The outcome's beginning moves only
-- when the outcome does, or when it changed within this batch: $10 are the series of which that is so.
WITH numbers AS (
    UPDATE counters SET value = value + $1 WHERE name = 'result' RETURNING value - $1 / (floor <= $12)::int4 AS base
),
rows AS MATERIALIZED (
    SELECT unnest($2::timestamptz[]) AS ts, unnest($3::int4[]) AS number, unnest($4::int4[]) AS series_key, unnest($5::int4[]) AS lag_us,
        unnest($6::int4[]) AS latency_us, unnest($7::int4[]) AS verdict_key, unnest($8::text[]) AS detail, unnest($9::timestamptz[]) AS began
),
stored AS (
    INSERT INTO results (ts, id, series_key, lag_us, latency_us, verdict_key, detail)
    SELECT r.ts, base + r.number, r.series_key, r.lag_us, r.latency_us, r.verdict_key, r.detail::json
    FROM numbers, rows AS r
),
-- $11 are the buckets of five minutes whose roll-ups do not agree any more.
marked AS (
    INSERT INTO stale AS s (width, bucket, marks)
    SELECT 300, bucket, 1 FROM unnest($11::timestamptz[]) AS bucket
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
        WHEN n.verdict_key % 4 <> s.verdict_key % 4 OR n.series_key = ANY ($10) THEN n.began
        ELSE s.since
    END
FROM numbers, rows AS n
WHERE n.began IS NOT NULL AND s.series_key = n.series_key AND s.ts < n.ts
