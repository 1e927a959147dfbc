-- What is watched. A row is never deleted: a target that left the file keeps its history and its id.
CREATE TABLE targets (
    key            INTEGER PRIMARY KEY,          -- internal: results refer to it
    id             TEXT    NOT NULL UNIQUE,      -- public: a UUID
    slug           TEXT    UNIQUE,               -- the `id` that the file gives, as written
    name           TEXT    NOT NULL,
    present        INTEGER NOT NULL,             -- 1 while the file has it
    enabled        INTEGER NOT NULL,
    interval_us    INTEGER NOT NULL,
    timeout_us     INTEGER NOT NULL,
    slow_after_us  INTEGER NOT NULL,
    group_name     TEXT,
    tags           TEXT    NOT NULL,             -- JSON list
    description    TEXT,
    type           TEXT    NOT NULL,
    host           TEXT,
    url            TEXT,
    spec           TEXT    NOT NULL,             -- JSON: everything the probe needs
    created_at     INTEGER NOT NULL,             -- microseconds since 1970, as every time here
    updated_at     INTEGER NOT NULL
) STRICT;

-- A name is taken only while the file uses it: a target that left must not keep others from its name.
CREATE UNIQUE INDEX targets_name ON targets (name) WHERE present = 1;
CREATE INDEX targets_past_name ON targets (name, updated_at) WHERE present = 0;

CREATE TABLE locations (
    key  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- A target as one location sees it: results refer to it by one small number.
CREATE TABLE series (
    key          INTEGER PRIMARY KEY,
    target_key   INTEGER NOT NULL REFERENCES targets (key),
    location_key INTEGER NOT NULL REFERENCES locations (key),
    UNIQUE (target_key, location_key)
) STRICT;

-- What many results say alike, once: the common result then needs one small number for all of it.
-- key % 4 is the outcome (1 up, 2 down, 3 unknown), so that counting needs no join.
CREATE TABLE verdicts (
    key         INTEGER PRIMARY KEY,
    slow        INTEGER NOT NULL,
    reason      TEXT    NOT NULL,                -- '' where there is none
    status_code INTEGER NOT NULL,                -- 0 where there is none
    resolved_ip TEXT    NOT NULL,                -- '' where there is none
    error       TEXT    NOT NULL,                -- '' where there is none
    seen_on     INTEGER NOT NULL                 -- the last day it was used: days since 1970
) STRICT;

CREATE INDEX verdicts_content ON verdicts (error, resolved_ip, status_code, reason, slow);

-- The days that have a table results_<day> of their own.
CREATE TABLE days (
    day INTEGER PRIMARY KEY                      -- days since 1970
) STRICT;

-- The newest result of each series: lists never search the history.
CREATE TABLE target_state (
    series_key  INTEGER PRIMARY KEY REFERENCES series (key),
    ts          INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    lag_us      INTEGER NOT NULL,
    latency_us  INTEGER,
    verdict_key INTEGER NOT NULL,
    detail      TEXT,
    since       INTEGER NOT NULL                 -- when the present outcome began
) STRICT;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('result_id', 0);
