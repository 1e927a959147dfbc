-- A series' newest results of one day after a moment of it (?2), no more of each than a beat says: one walk along the key.
SELECT r.at, r.id, r.latency_us, r.verdict_key, v.slow, r.detail
FROM results_{day} AS r
CROSS JOIN verdicts AS v ON v.key = r.verdict_key
WHERE r.series_key = ?1 AND r.at > ?2
ORDER BY r.at DESC
LIMIT ?3
