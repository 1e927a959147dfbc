-- No batch is under way while this is held, and the next one sees what was changed meanwhile.
SELECT floor FROM counters WHERE name = 'result' FOR UPDATE
