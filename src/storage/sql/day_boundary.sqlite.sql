-- Where a piece of a day's results ends: the key of the row that ?1 others come before.
SELECT series_key, at FROM results_{day} ORDER BY series_key, at LIMIT 1 OFFSET ?1
