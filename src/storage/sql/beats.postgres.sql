-- The newest $3 results of each of the series $1 after its moment in $2, no more of each than a beat says: a walk along the key for
-- each. Nothing with a number above $4, which came after it was read, and nothing of before $5.
SELECT r.series_key, r.ts, r.id, r.latency_us, r.verdict_key, v.slow,
       r.verdict_key % 4 = 1 AND r.detail::text LIKE '%"packets"%'
           AND (r.detail #>> '{packets,received}')::int8 < (r.detail #>> '{packets,sent}')::int8
FROM unnest($1::int4[], $2::timestamptz[]) AS s (key, after)
CROSS JOIN LATERAL (
    SELECT series_key, ts, id, latency_us, verdict_key, detail
    FROM results
    WHERE series_key = s.key AND ts > s.after AND ts >= $5 AND id <= $4
    ORDER BY ts DESC
    LIMIT $3
) AS r
JOIN verdicts AS v ON v.key = r.verdict_key
