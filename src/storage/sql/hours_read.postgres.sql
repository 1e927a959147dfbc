SELECT series_key, bucket, total, up, unknown, sent, received, latency_sum, latency_min, latency_max, figures
FROM hours
WHERE bucket >= $1 AND bucket < $2 AND series_key = ANY ($3)
