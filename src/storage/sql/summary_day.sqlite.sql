-- The figures of one day's part of a window, for the series of a range of keys.
SELECT series_key,
       count(*),
       coalesce(sum(verdict_key % 4 = 1), 0),
       coalesce(sum(verdict_key % 4 = 3), 0),
       coalesce(sum(CASE WHEN verdict_key % 4 <> 3 THEN latency_us END), 0),
       count(CASE WHEN verdict_key % 4 <> 3 THEN latency_us END)
FROM results_{day}
WHERE series_key BETWEEN ?1 AND ?2 AND at >= ?3 AND at < ?4
GROUP BY series_key
