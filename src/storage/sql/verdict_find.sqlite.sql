SELECT key FROM verdicts
WHERE error = ?1 AND resolved_ip = ?2 AND status_code = ?3 AND reason = ?4 AND slow = ?5 AND key % 4 = ?6
LIMIT 1
