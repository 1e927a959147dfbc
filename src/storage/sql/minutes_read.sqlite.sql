SELECT series_key, bucket, total, up, unknown, sent, received, latency_sum, latency_min, latency_max, figures
FROM minutes_{day}
WHERE series_key = ?1 AND bucket >= ?2 AND bucket < ?3
ORDER BY bucket
