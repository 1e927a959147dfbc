-- The results of all series in one day's part of a span, by series and in the order of their slots: a search for each series in one
-- statement, as SQLite compiles a statement anew for each value that it is given.
SELECT s.key, r.at, r.latency_us, r.verdict_key % 4, r.detail
FROM series AS s
CROSS JOIN results_{day} AS r ON r.series_key = s.key AND r.at >= ?1 AND r.at < ?2
ORDER BY s.key, r.at
