-- A span of time over all series, which is what a roll-up is made of: rows arrive in its order, so a few bytes a block are enough.
CREATE INDEX results_ts ON results USING brin (ts);

-- Roll-ups of five minutes, a partition a day as for the results they are made of.
CREATE TABLE minutes (
    bucket      timestamptz NOT NULL,
    total       int8 NOT NULL,
    up          int8 NOT NULL,
    unknown     int8 NOT NULL,
    sent        int8 NOT NULL,
    received    int8 NOT NULL,
    latencies   int8 NOT NULL,
    latency_sum int8 NOT NULL,
    latency_min int8 NOT NULL,
    latency_max int8 NOT NULL,
    series_key  int4 NOT NULL,
    figures     bytea NOT NULL,                  -- histogram, jitter, phases
    PRIMARY KEY (series_key, bucket)
) PARTITION BY RANGE (bucket);

-- Roll-ups of an hour, for ever.
CREATE TABLE hours (
    bucket      timestamptz NOT NULL,
    total       int8 NOT NULL,
    up          int8 NOT NULL,
    unknown     int8 NOT NULL,
    sent        int8 NOT NULL,
    received    int8 NOT NULL,
    latencies   int8 NOT NULL,
    latency_sum int8 NOT NULL,
    latency_min int8 NOT NULL,
    latency_max int8 NOT NULL,
    series_key  int4 NOT NULL,
    figures     bytea NOT NULL,                  -- histogram, jitter, phases
    PRIMARY KEY (series_key, bucket)
);

-- Buckets whose roll-ups do not agree with what they are made of: set by the transaction that changes that, cleared by the one
-- that makes them agree again. `marks` tells whether anything came in between.
CREATE TABLE stale (
    bucket timestamptz NOT NULL,
    marks  int8        NOT NULL,
    width  int4        NOT NULL,                 -- seconds: 300 or 3600
    PRIMARY KEY (width, bucket)
) WITH (fillfactor = 50);

-- What was stored before there were roll-ups.
INSERT INTO stale (bucket, marks, width)
SELECT DISTINCT date_bin('5 minutes', ts, to_timestamp(0)), 1, 300 FROM results;
