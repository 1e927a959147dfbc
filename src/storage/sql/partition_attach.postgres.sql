ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM (to_timestamp({start})) TO (to_timestamp({end}))
