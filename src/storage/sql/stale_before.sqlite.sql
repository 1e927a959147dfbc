-- Whether a bucket of at most this width (?1) that begins before a moment (?2, seconds since 1970) is marked.
SELECT EXISTS (SELECT 1 FROM stale WHERE width <= ?1 AND bucket * width < ?2)
