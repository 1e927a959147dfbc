-- The number of the last result that can be seen, and the day from which on results are kept.
SELECT value, floor FROM counters WHERE name = 'result'
