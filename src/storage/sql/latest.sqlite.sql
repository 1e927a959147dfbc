-- The newest result of every enabled target, in no order: of several locations, the one whose slot is the latest.
SELECT st.ts, st.id, st.lag_us, st.latency_us, st.detail,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error,
       t.id, t.name, l.name, st.since
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
JOIN target_state AS st ON st.series_key = s.key
JOIN verdicts AS v ON v.key = st.verdict_key
JOIN locations AS l ON l.key = s.location_key
WHERE t.enabled = 1
  AND NOT EXISTS (
      SELECT 1
      FROM series AS other
      JOIN target_state AS newer ON newer.series_key = other.key
      WHERE other.target_key = t.key AND (newer.ts, newer.series_key) > (st.ts, st.series_key)
  )
