SELECT r.series_key, t.id, r.bucket, r.total, r.up, r.unknown, r.sent, r.received,
       r.latencies, r.latency_sum, r.latency_min, r.latency_max, r.figures
FROM minutes AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
WHERE r.bucket >= $1 AND r.bucket < $2 AND r.series_key = ANY ($3)
