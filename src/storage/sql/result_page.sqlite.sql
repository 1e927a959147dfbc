-- A series' results of one day before a moment of it (?3), and of that moment those with an id below ?4; newest first: one walk
-- along the key.
SELECT r.at, r.id, r.lag_us, r.latency_us, r.detail,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error
FROM results_{day} AS r
CROSS JOIN verdicts AS v ON v.key = r.verdict_key
WHERE r.series_key = ?1 AND r.at >= ?2 AND r.at <= ?3 AND (r.at < ?3 OR r.id < ?4)
ORDER BY r.at DESC
LIMIT ?5
