-- The newest result of every enabled target at every location.
SELECT st.ts, st.id, st.lag_us, st.latency_us, st.detail::text,
       v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error,
       t.id, t.name, l.name, st.since
FROM targets AS t
JOIN series AS s ON s.target_key = t.key
JOIN target_state AS st ON st.series_key = s.key
JOIN verdicts AS v ON v.key = st.verdict_key
JOIN locations AS l ON l.key = s.location_key
WHERE t.enabled
