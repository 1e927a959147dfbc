UPDATE counters SET floor = $2 WHERE name = $1 AND floor < $2
