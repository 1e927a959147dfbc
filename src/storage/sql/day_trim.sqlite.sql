DELETE FROM results_{day} WHERE (series_key, at) < (?1, ?2)
