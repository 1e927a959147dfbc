-- What people read with SQL. Pingu itself never does: tables may change under the views, the views keep their columns. A migration
-- that changes a column they rest on drops them and makes them again.

-- Every result. Time and series are columns of the table as they are, so that conditions on them reach partitions and index.
CREATE VIEW probe_results AS
SELECT r.id,
       t.id AS target_id,
       t.name AS target_name,
       t.type AS target_type,
       t.group_name AS target_group,
       l.name AS location,
       r.ts,
       r.verdict_key % 4 = 1 AS success,
       CASE r.verdict_key % 4 WHEN 1 THEN 'up' WHEN 2 THEN 'down' ELSE 'unknown' END AS outcome,
       nullif(v.reason, '') AS reason,
       r.latency_us / 1000.0::float8 AS latency_ms,
       r.latency_us,
       r.lag_us,
       v.slow,
       nullif(v.status_code, 0) AS status_code,
       nullif(v.resolved_ip, '') AS resolved_ip,
       nullif(v.error, '') AS error,
       (r.detail #>> '{phases,dns_us}')::int4 AS dns_us,
       (r.detail #>> '{phases,connect_us}')::int4 AS connect_us,
       (r.detail #>> '{phases,tls_us}')::int4 AS tls_us,
       (r.detail #>> '{phases,ttfb_us}')::int4 AS ttfb_us,
       (r.detail #>> '{phases,transfer_us}')::int4 AS transfer_us,
       (r.detail #>> '{packets,sent}')::int4 AS packets_sent,
       (r.detail #>> '{packets,received}')::int4 AS packets_received,
       (r.detail ->> 'cert_expires_at')::timestamptz AS cert_expires_at
FROM results AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key
JOIN verdicts AS v ON v.key = r.verdict_key;

-- The newest result of every enabled target, at each location.
CREATE VIEW target_latest AS
SELECT r.id,
       t.id AS target_id,
       t.name AS target_name,
       t.type AS target_type,
       t.group_name AS target_group,
       l.name AS location,
       r.ts,
       r.since,
       r.verdict_key % 4 = 1 AS success,
       CASE r.verdict_key % 4 WHEN 1 THEN 'up' WHEN 2 THEN 'down' ELSE 'unknown' END AS outcome,
       nullif(v.reason, '') AS reason,
       r.latency_us / 1000.0::float8 AS latency_ms,
       r.latency_us,
       r.lag_us,
       v.slow,
       nullif(v.status_code, 0) AS status_code,
       nullif(v.resolved_ip, '') AS resolved_ip,
       nullif(v.error, '') AS error,
       (r.detail ->> 'cert_expires_at')::timestamptz AS cert_expires_at
FROM target_state AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key
JOIN verdicts AS v ON v.key = r.verdict_key
WHERE t.enabled;

-- The figures of every target, location and hour that has ended. No percentiles: the histogram they come from is no affair of SQL.
-- Uptime is rounded down, so that 100 means that nothing failed.
CREATE VIEW target_hourly AS
SELECT t.id AS target_id,
       t.name AS target_name,
       t.type AS target_type,
       t.group_name AS target_group,
       l.name AS location,
       r.bucket AS ts,
       r.total,
       r.up,
       r.total - r.up - r.unknown AS down,
       r.unknown,
       trunc(r.up * 100.0 / nullif(r.total - r.unknown, 0), 4)::float8 AS uptime_percent,
       r.sent,
       r.received,
       (r.sent - r.received) * 100.0::float8 / nullif(r.sent, 0) AS loss_percent,
       r.latencies,
       r.latency_sum / 1000.0::float8 / nullif(r.latencies, 0) AS avg_latency_ms,
       CASE WHEN r.latencies > 0 THEN r.latency_min / 1000.0::float8 END AS min_latency_ms,
       CASE WHEN r.latencies > 0 THEN r.latency_max / 1000.0::float8 END AS max_latency_ms
FROM hours AS r
JOIN series AS s ON s.key = r.series_key
JOIN targets AS t ON t.key = s.target_key
JOIN locations AS l ON l.key = s.location_key;
