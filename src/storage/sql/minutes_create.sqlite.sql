-- One table a day, as for the results they are made of.
CREATE TABLE IF NOT EXISTS minutes_{day} (
    series_key  INTEGER NOT NULL,
    bucket      INTEGER NOT NULL,                -- five minutes since 1970
    total       INTEGER NOT NULL,
    up          INTEGER NOT NULL,
    unknown     INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    received    INTEGER NOT NULL,
    latencies   INTEGER NOT NULL,
    latency_sum INTEGER NOT NULL,
    latency_min INTEGER NOT NULL,
    latency_max INTEGER NOT NULL,
    figures     BLOB    NOT NULL,                -- histogram, jitter, phases
    PRIMARY KEY (series_key, bucket)
) STRICT, WITHOUT ROWID
