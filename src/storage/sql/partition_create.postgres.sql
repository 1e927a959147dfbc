-- A partition that is made apart and then attached leaves readers and writers of the other days alone.
CREATE TABLE IF NOT EXISTS {partition} (LIKE {table} INCLUDING ALL)
