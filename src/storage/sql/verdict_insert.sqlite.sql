INSERT INTO verdicts (key, error, resolved_ip, status_code, reason, slow, seen_on)
SELECT (coalesce(max(key), 0) / 4 + 1) * 4 + ?6, ?1, ?2, ?3, ?4, ?5, ?7 FROM verdicts
RETURNING key
