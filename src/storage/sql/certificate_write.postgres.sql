INSERT INTO certificates AS known (series_key, digest, seen_at, chain)
SELECT series_key, digest, seen_at, chain::json
FROM unnest($1::int4[], $2::text[], $3::timestamptz[], $4::text[]) AS new (series_key, digest, seen_at, chain)
ORDER BY series_key
ON CONFLICT (series_key) DO UPDATE
SET digest = excluded.digest, seen_at = excluded.seen_at, chain = excluded.chain
WHERE known.digest <> excluded.digest
   OR greatest(excluded.seen_at, known.seen_at) - least(excluded.seen_at, known.seen_at)
      >= make_interval(secs => $5)
