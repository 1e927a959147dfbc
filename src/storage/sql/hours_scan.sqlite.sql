SELECT s.key, r.bucket, r.total, r.up, r.unknown, r.sent, r.received, r.latency_sum, r.latency_min, r.latency_max, r.figures
FROM series AS s
CROSS JOIN hours AS r ON r.series_key = s.key AND r.bucket >= ?1 AND r.bucket < ?2
ORDER BY s.key, r.bucket
