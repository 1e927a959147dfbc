INSERT INTO settled (width, bucket, stamp) VALUES (?1, ?2, random())
ON CONFLICT (width, bucket) DO UPDATE SET stamp = excluded.stamp
