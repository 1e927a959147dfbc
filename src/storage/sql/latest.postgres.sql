-- The newest result of every enabled target: of several locations, the one whose slot is the latest. The newest of them first.
SELECT * FROM (
    SELECT DISTINCT ON (t.name, t.key)
           st.ts, st.id, st.lag_us, st.latency_us, st.detail::text,
           v.key, v.slow, v.reason, v.status_code, v.resolved_ip, v.error,
           t.id, t.name, l.name, st.since
    FROM targets AS t
    JOIN series AS s ON s.target_key = t.key
    JOIN target_state AS st ON st.series_key = s.key
    JOIN verdicts AS v ON v.key = st.verdict_key
    JOIN locations AS l ON l.key = s.location_key
    WHERE t.enabled
    ORDER BY t.name, t.key, st.ts DESC, st.series_key DESC
) AS latest (ts, id, lag_us, latency_us, detail, key, slow, reason, status_code, resolved_ip, error, target_id, name, location, since)
ORDER BY ts DESC, name
