ALTER TABLE results ATTACH PARTITION {partition} FOR VALUES FROM (to_timestamp({start})) TO (to_timestamp({end}))
