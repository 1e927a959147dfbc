INSERT INTO stale (width, bucket, marks) VALUES (?1, ?2, 1)
ON CONFLICT (width, bucket) DO UPDATE SET marks = marks + 1
