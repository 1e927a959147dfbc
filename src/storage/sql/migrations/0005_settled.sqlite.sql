-- What every bucket that was rolled up was last stamped with: a random number, drawn anew by each transaction that writes its
-- roll-ups. Who remembers roll-ups, and finds the same stamp, remembers what is stored.
CREATE TABLE settled (
    width  INTEGER NOT NULL,                     -- seconds: 300 or 3600
    bucket INTEGER NOT NULL,                     -- of this width since 1970
    stamp  INTEGER NOT NULL,
    PRIMARY KEY (width, bucket)
) STRICT, WITHOUT ROWID;

-- What was rolled up before there were stamps: every bucket of a day that has roll-ups.
INSERT INTO settled (width, bucket, stamp)
WITH RECURSIVE part(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM part WHERE number < 287)
SELECT 300, day * 288 + number, random() FROM minute_days, part
UNION ALL
SELECT 3600, day * 24 + number, random() FROM hour_days, part WHERE number < 24;
