-- The newest $4 results of the series $1 in $2 <= ts < $3, and of the moment $5 those with an id below $6: a walk along the key
-- for each of them, merged. Nothing is beyond $5 but that moment.
SELECT r.ts, r.id, r.lag_us, r.latency_us, r.detail::text,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error, r.series_key
FROM (
    SELECT w.*
    FROM unnest($1::int4[]) AS s (key)
    CROSS JOIN LATERAL (
        SELECT *
        FROM results
        WHERE series_key = s.key AND ts >= $2 AND ts < $3 AND (ts < $5 OR id < $6)
        ORDER BY ts DESC
        LIMIT $4
    ) AS w
    ORDER BY w.ts DESC, w.id DESC
    LIMIT $4
) AS r
JOIN verdicts AS v ON v.key = r.verdict_key
ORDER BY r.ts DESC, r.id DESC
