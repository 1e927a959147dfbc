-- Whoever stamps a bucket holds it until the end of the transaction: roll-ups of one bucket are written one after the other.
INSERT INTO settled (width, bucket, stamp) VALUES ($1, $2, (random() * 9007199254740992)::int8)
ON CONFLICT (width, bucket) DO UPDATE SET stamp = excluded.stamp
