-- From which day on each resolution is kept (days since 1970): what is older is gone for good, and comes back in no way. Raised, never
-- lowered, before anything is deleted. The floor of results stands in the row that every batch updates, so that a batch and a floor
-- that rises are always one after the other; those of the roll-ups have rows of their own.
ALTER TABLE counters ADD COLUMN floor int4 NOT NULL DEFAULT -2147483648;

INSERT INTO counters (name, value) VALUES ('minutes', 0), ('hours', 0);

-- The days that have roll-ups of an hour, which lie in one table.
CREATE TABLE hour_days (
    day int4 PRIMARY KEY
);

INSERT INTO hour_days (day) SELECT DISTINCT floor(extract(epoch FROM bucket) / 86400)::int4 FROM hours;

-- Verdicts that nothing refers to any more are found by the day they were last used on.
CREATE INDEX verdicts_seen_on ON verdicts (seen_on);
