-- A target's results of one day before a position, newest first. The position is (at, location_key): one walk along the key.
SELECT r.at, r.location_key, r.id, r.lag_us, r.latency_us, r.detail, l.name,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error
FROM results_{day} AS r
CROSS JOIN verdicts AS v ON v.key = r.verdict_key
CROSS JOIN locations AS l ON l.key = r.location_key
WHERE r.target_key = ?1 AND r.at >= ?2 AND (r.at, r.location_key) < (?3, ?4)
ORDER BY r.at DESC, r.location_key DESC
LIMIT ?5
