-- What roll-ups are made of: results of some series in the order of their slots.
SELECT series_key, ts, latency_us, verdict_key % 4, detail::text
FROM results
WHERE ts >= $1 AND ts < $2 AND series_key = ANY ($3)
ORDER BY series_key, ts
