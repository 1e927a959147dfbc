-- The days that have a table minutes_<day> of their own: roll-ups of five minutes.
CREATE TABLE minute_days (
    day INTEGER PRIMARY KEY
) STRICT;

-- Roll-ups of an hour, for ever.
CREATE TABLE hours (
    series_key  INTEGER NOT NULL,
    bucket      INTEGER NOT NULL,                -- hours since 1970
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
) STRICT, WITHOUT ROWID;

-- Buckets whose roll-ups do not agree with what they are made of: set by the transaction that changes that, cleared by the one
-- that makes them agree again. `marks` tells whether anything came in between.
CREATE TABLE stale (
    width  INTEGER NOT NULL,                     -- seconds: 300 or 3600
    bucket INTEGER NOT NULL,                     -- of this width since 1970
    marks  INTEGER NOT NULL,
    PRIMARY KEY (width, bucket)
) STRICT, WITHOUT ROWID;

-- What was stored before there were roll-ups.
INSERT INTO stale (width, bucket, marks)
WITH RECURSIVE five(bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM five WHERE bucket < 287)
SELECT 300, day * 288 + five.bucket, 1 FROM days, five;
