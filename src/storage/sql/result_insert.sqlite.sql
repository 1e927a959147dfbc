INSERT INTO results_{day} (target_key, at, location_key, id, lag_us, latency_us, verdict_key, detail)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO NOTHING
