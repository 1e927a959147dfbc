SELECT series_key, bucket FROM minutes_{day} ORDER BY series_key, bucket LIMIT 1 OFFSET ?1
