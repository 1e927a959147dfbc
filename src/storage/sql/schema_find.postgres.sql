-- Which of Pingu's tables are there. Read from the catalogue itself: to_regclass may remember that there was none before the lock.
SELECT relname
FROM pg_class
WHERE relname IN ('pingu_schema', 'targets', 'locations', 'series', 'verdicts', 'results', 'target_state', 'counters')
  AND pg_table_is_visible(oid)
ORDER BY relname
