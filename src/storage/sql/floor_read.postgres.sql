-- From which day on results are kept.
SELECT floor FROM counters WHERE name = 'result'
