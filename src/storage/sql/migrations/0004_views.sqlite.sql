-- What people read with SQL. Pingu itself never does: tables may change under the views, the views keep their columns.
-- There is none of all results: they lie in a table a day, and SQLite joins at most 500 of them and opens each for every question.

-- The newest result of every enabled target, at each location. Times are text in UTC, as the API has them.
CREATE VIEW target_latest AS
SELECT r.id,
       t.id AS target_id,
       t.name AS target_name,
       t.type AS target_type,
       t.group_name AS target_group,
       l.name AS location,
       strftime('%Y-%m-%dT%H:%M:%S', r.ts / 1000000, 'unixepoch') || printf('.%06dZ', r.ts % 1000000) AS ts,
       strftime('%Y-%m-%dT%H:%M:%S', r.since / 1000000, 'unixepoch') || printf('.%06dZ', r.since % 1000000) AS since,
       r.verdict_key % 4 = 1 AS success,
       CASE r.verdict_key % 4 WHEN 1 THEN 'up' WHEN 2 THEN 'down' ELSE 'unknown' END AS outcome,
       nullif(v.reason, '') AS reason,
       r.latency_us / 1000.0 AS latency_ms,
       r.latency_us,
       r.lag_us,
       v.slow,
       nullif(v.status_code, 0) AS status_code,
       nullif(v.resolved_ip, '') AS resolved_ip,
       nullif(v.error, '') AS error,
       r.detail ->> '$.cert_expires_at' AS cert_expires_at
FROM target_state AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key
JOIN verdicts AS v ON v.key = r.verdict_key
WHERE t.enabled = 1;

-- The figures of every target, location and hour that has ended. No percentiles: the histogram they come from is no affair of SQL.
-- Uptime is rounded down, so that 100 means that nothing failed.
CREATE VIEW target_hourly AS
SELECT t.id AS target_id,
       t.name AS target_name,
       t.type AS target_type,
       t.group_name AS target_group,
       l.name AS location,
       strftime('%Y-%m-%dT%H:%M:%SZ', r.bucket * 3600, 'unixepoch') AS ts,
       r.total,
       r.up,
       r.total - r.up - r.unknown AS down,
       r.unknown,
       r.up * 1000000 / nullif(r.total - r.unknown, 0) / 10000.0 AS uptime_percent,
       r.sent,
       r.received,
       (r.sent - r.received) * 100.0 / nullif(r.sent, 0) AS loss_percent,
       r.latencies,
       r.latency_sum / 1000.0 / nullif(r.latencies, 0) AS avg_latency_ms,
       CASE WHEN r.latencies > 0 THEN r.latency_min / 1000.0 END AS min_latency_ms,
       CASE WHEN r.latencies > 0 THEN r.latency_max / 1000.0 END AS max_latency_ms
FROM hours AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key;
