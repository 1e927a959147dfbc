INSERT INTO results_{day} (series_key, at, id, lag_us, latency_us, verdict_key, detail)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING
