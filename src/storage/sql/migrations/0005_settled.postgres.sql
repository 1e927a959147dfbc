-- What every bucket that was rolled up was last stamped with: a random number, drawn anew by each transaction that writes its
-- roll-ups. Who remembers roll-ups, and finds the same stamp, remembers what is stored.
CREATE TABLE settled (
    bucket timestamptz NOT NULL,
    stamp  int8        NOT NULL,
    width  int4        NOT NULL,                 -- seconds: 300 or 3600
    PRIMARY KEY (width, bucket)
) WITH (fillfactor = 50);

-- What was rolled up before there were stamps: every bucket of a day that has roll-ups. Five minutes without an hour yet are those
-- whose hour is stale.
INSERT INTO settled (bucket, stamp, width)
SELECT to_timestamp(day * 86400.0 + number * width), (random() * 9007199254740992)::int8, width
FROM (
    SELECT day FROM hour_days
    UNION
    SELECT floor(extract(epoch FROM bucket) / 86400)::int4 FROM stale
) AS days
CROSS JOIN (VALUES (300), (3600)) AS widths (width)
CROSS JOIN LATERAL generate_series(0, 86400 / width - 1) AS number;
