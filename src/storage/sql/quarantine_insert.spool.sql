INSERT OR REPLACE INTO quarantine (target_id, ts, error, results, body) VALUES (?1, ?2, ?3, ?4, ?5)
