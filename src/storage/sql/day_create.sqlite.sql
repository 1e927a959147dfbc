-- One table a day: dropping old results is dropping a table, and inserts stay within a small tree.
-- No rowid: the identity is the only index, and 10 million rows of 10,000 targets take about 30 bytes each.
CREATE TABLE IF NOT EXISTS results_{day} (
    target_key   INTEGER NOT NULL,
    at           INTEGER NOT NULL,               -- microseconds since the day began
    location_key INTEGER NOT NULL,
    id           INTEGER NOT NULL,
    lag_us       INTEGER NOT NULL,
    latency_us   INTEGER,
    verdict_key  INTEGER NOT NULL,
    detail       TEXT,                           -- JSON: phases, packets, certificate
    PRIMARY KEY (target_key, at, location_key)
) STRICT, WITHOUT ROWID
