SELECT value FROM counters WHERE name = 'result_id'
