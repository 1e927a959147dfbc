-- The stamps of the hours ?1 <= hour < ?2 and of their five minutes.
SELECT width, bucket, stamp FROM settled WHERE width = 300 AND bucket >= ?1 * 12 AND bucket < ?2 * 12
UNION ALL
SELECT width, bucket, stamp FROM settled WHERE width = 3600 AND bucket >= ?1 AND bucket < ?2
