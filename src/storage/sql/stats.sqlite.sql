SELECT (SELECT count(*) FROM targets WHERE enabled = 1),
       (SELECT coalesce(max(interval_us), 0) FROM targets WHERE enabled = 1),
       (SELECT max(ts) FROM target_state)
