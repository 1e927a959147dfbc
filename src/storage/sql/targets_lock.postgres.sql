-- One sync at a time; reading, and storing results, goes on.
LOCK TABLE targets IN SHARE ROW EXCLUSIVE MODE
