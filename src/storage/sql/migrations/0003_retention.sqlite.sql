-- From which day on each resolution is kept: what is older is gone for good, and comes back in no way. Raised, never lowered, before
-- anything is deleted; every transaction that stores results or writes roll-ups looks here first.
CREATE TABLE floors (
    width INTEGER PRIMARY KEY,                   -- seconds: 0 for results, 300 and 3600 for their roll-ups
    day   INTEGER NOT NULL                       -- days since 1970
) STRICT;

INSERT INTO floors (width, day) VALUES (0, -2147483648), (300, -2147483648), (3600, -2147483648);

-- The days that have roll-ups of an hour, which lie in one table.
CREATE TABLE hour_days (
    day INTEGER PRIMARY KEY
) STRICT;

INSERT INTO hour_days (day) SELECT DISTINCT bucket / 24 FROM hours;

-- Verdicts that nothing refers to any more are found by the day they were last used on.
CREATE INDEX verdicts_seen_on ON verdicts (seen_on);
