-- Whether a bucket is marked.
SELECT EXISTS (SELECT 1 FROM stale WHERE width = ?1 AND bucket = ?2)
