SELECT (SELECT count(*) FROM targets WHERE enabled),
       (SELECT coalesce(max(interval_us), 0) FROM targets WHERE enabled),
       (SELECT max(ts) FROM target_state)
