-- A series' results of one day before a moment of it, newest first: one walk along the key.
SELECT r.at, r.id, r.lag_us, r.latency_us, r.detail,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error
FROM results_{day} AS r
CROSS JOIN verdicts AS v ON v.key = r.verdict_key
WHERE r.series_key = ?1 AND r.at >= ?2 AND r.at < ?3
ORDER BY r.at DESC
LIMIT ?4
