-- Whether a bucket of at most this width ($1) that begins before a moment ($2) is marked.
SELECT EXISTS (SELECT 1 FROM stale WHERE width <= $1 AND bucket < $2)
