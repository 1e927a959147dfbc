-- The newest result of every enabled target: of several locations, the one whose slot is the latest.
SELECT s.ts, s.location_key, s.id, s.lag_us, s.latency_us, s.detail, l.name,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error,
       t.id, t.name, s.since
FROM targets AS t
JOIN target_state AS s ON s.target_key = t.key
JOIN verdicts AS v ON v.key = s.verdict_key
JOIN locations AS l ON l.key = s.location_key
WHERE t.enabled = 1
  AND NOT EXISTS (
      SELECT 1 FROM target_state AS newer
      WHERE newer.target_key = s.target_key
        AND (newer.ts, newer.location_key) > (s.ts, s.location_key)
  )
ORDER BY t.name
