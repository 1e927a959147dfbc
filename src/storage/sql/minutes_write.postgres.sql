INSERT INTO minutes (bucket, series_key, total, up, unknown, sent, received, latencies, latency_sum, latency_min, latency_max, figures)
SELECT $1::timestamptz, r.*
FROM unnest(
    $2::int4[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::bytea[]
) AS r
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
