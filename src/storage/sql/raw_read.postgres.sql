-- What roll-ups are made of: results of some series in the order of their slots.
SELECT r.series_key, t.id, r.ts, r.latency_us, r.verdict_key % 4, r.detail::text
FROM results AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
WHERE r.ts >= $1 AND r.ts < $2 AND r.series_key = ANY ($3)
ORDER BY r.series_key, r.ts
