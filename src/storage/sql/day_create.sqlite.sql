-- One table a day: dropping old results is dropping a table, and inserts stay within a small tree.
-- No rowid: the identity is the only index.
CREATE TABLE IF NOT EXISTS results_{day} (
    series_key  INTEGER NOT NULL,
    at          INTEGER NOT NULL,                -- microseconds since the day began
    id          INTEGER NOT NULL,
    lag_us      INTEGER NOT NULL,
    latency_us  INTEGER,
    verdict_key INTEGER NOT NULL,
    detail      TEXT,                            -- JSON: phases, packets, certificate
    PRIMARY KEY (series_key, at)
) STRICT, WITHOUT ROWID
