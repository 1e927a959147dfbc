INSERT INTO certificates (series_key, digest, seen_at, chain)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (series_key) DO UPDATE
SET digest = excluded.digest, seen_at = excluded.seen_at, chain = excluded.chain
WHERE certificates.digest <> excluded.digest
   OR abs(excluded.seen_at - certificates.seen_at) >= ?5
