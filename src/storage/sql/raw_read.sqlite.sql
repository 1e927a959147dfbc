-- What roll-ups are made of: a series' results of one day's part of a span, in the order of their slots.
SELECT series_key, at, latency_us, verdict_key % 4, detail
FROM results_{day}
WHERE series_key = ?1 AND at >= ?2 AND at < ?3
ORDER BY at
