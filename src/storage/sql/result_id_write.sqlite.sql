UPDATE counters SET value = ?1 WHERE name = 'result_id'
