SELECT width, bucket, marks FROM stale ORDER BY width, bucket
