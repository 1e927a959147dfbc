-- What a partition holds, as far as the server knows without counting, and what it takes on disk.
SELECT greatest(c.reltuples, 0)::int8, pg_total_relation_size(c.oid)
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = '{table}'::regclass AND c.relname = '{partition}'
