SELECT width, bucket, stamp FROM settled WHERE width IN (300, 3600) AND bucket >= $1 AND bucket < $2
