-- The figures of $2 <= ts < $3: of the target $1, or of every enabled one. Latencies of the prober's own faults say nothing.
SELECT t.id, t.name,
       coalesce(sum(r.total), 0)::int8, coalesce(sum(r.up), 0)::int8, coalesce(sum(r.unknown), 0)::int8,
       (sum(r.latency_sum) / nullif(sum(r.latencies), 0))::float8
FROM targets AS t
LEFT JOIN series AS s ON s.target_key = t.key
LEFT JOIN (
    SELECT series_key,
           count(*) AS total,
           count(*) FILTER (WHERE verdict_key % 4 = 1) AS up,
           count(*) FILTER (WHERE verdict_key % 4 = 3) AS unknown,
           sum(latency_us) FILTER (WHERE verdict_key % 4 <> 3) AS latency_sum,
           count(latency_us) FILTER (WHERE verdict_key % 4 <> 3) AS latencies
    FROM results
    WHERE ts >= $2 AND ts < $3
      AND ($1::uuid IS NULL OR series_key = ANY (
          ARRAY(SELECT own.key FROM series AS own JOIN targets AS whose ON whose.key = own.target_key WHERE whose.id = $1)
      ))
    GROUP BY series_key
) AS r ON r.series_key = s.key
WHERE CASE WHEN $1::uuid IS NULL THEN t.enabled ELSE t.id = $1 END
GROUP BY t.key, t.id, t.name
ORDER BY t.name, t.key
