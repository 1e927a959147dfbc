-- One process at a time adds a day; batches of days that are there go on.
SELECT value FROM counters WHERE name = 'days' FOR UPDATE
