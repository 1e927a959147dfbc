DELETE FROM minutes_{day} WHERE (series_key, bucket) < (?1, ?2)
