SELECT name, floor FROM counters WHERE name IN ('result', 'minutes', 'hours')
