-- Results that wait for the database, as they came: a batch is a row.
CREATE TABLE chunks (
    id       INTEGER PRIMARY KEY,   -- in the order of coming
    results  INTEGER NOT NULL,      -- how many
    begins   INTEGER NOT NULL,      -- the earliest slot, in microseconds since 1970
    body     BLOB    NOT NULL       -- src/storage/spool/codec.rs
) STRICT;

-- Results that the database refused for their own sake.
CREATE TABLE quarantine (
    id         INTEGER PRIMARY KEY,
    target_id  TEXT,                -- null in a part of the spool that could not be read
    ts         TEXT,                -- the slot, as the API writes it
    error      TEXT    NOT NULL,    -- what the database said
    results    INTEGER NOT NULL,    -- 1, but in a part that could not be read
    body       BLOB    NOT NULL,
    UNIQUE (target_id, ts)
) STRICT;

-- Whose results they are: the one row is the location of the poller.
CREATE TABLE owner (
    location  TEXT NOT NULL
) STRICT;
