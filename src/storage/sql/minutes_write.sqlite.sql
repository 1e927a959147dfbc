INSERT INTO minutes_{day} (series_key, bucket, total, up, unknown, sent, received, latencies, latency_sum, latency_min, latency_max, figures)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (series_key, bucket) DO UPDATE SET
    total = excluded.total,
    up = excluded.up,
    unknown = excluded.unknown,
    sent = excluded.sent,
    received = excluded.received,
    latencies = excluded.latencies,
    latency_sum = excluded.latency_sum,
    latency_min = excluded.latency_min,
    latency_max = excluded.latency_max,
    figures = excluded.figures
