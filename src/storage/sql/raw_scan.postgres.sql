-- The results of all series in the order of their slots: a walk through the blocks of that time.
SELECT series_key, ts, latency_us, verdict_key % 4, detail::text
FROM results
WHERE ts >= $1 AND ts < $2
ORDER BY series_key, ts
