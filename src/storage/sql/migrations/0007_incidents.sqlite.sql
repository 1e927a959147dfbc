-- How many results in a row open an incident, and resolve it. What was declared before says neither, and has what everyone has.
ALTER TABLE targets ADD COLUMN fail_after INTEGER NOT NULL DEFAULT 2;
ALTER TABLE targets ADD COLUMN recover_after INTEGER NOT NULL DEFAULT 2;

-- Spans in which a target was down, as seen from a location. Written while they go on; an end is never taken back.
CREATE TABLE incidents (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,    -- public: never given twice
    target_key     INTEGER NOT NULL REFERENCES targets (key),
    location_key   INTEGER NOT NULL REFERENCES locations (key),
    began_at       INTEGER NOT NULL,             -- slot of the first failure
    opened_at      INTEGER NOT NULL,             -- slot of the failure that made it an incident
    last_failed_at INTEGER NOT NULL,
    ended_at       INTEGER,                      -- NULL while it goes on
    ended_by       TEXT,                         -- recovered, removed or superseded
    failed         INTEGER NOT NULL,             -- results
    reason         TEXT    NOT NULL,             -- of the first failure
    error          TEXT    NOT NULL,
    last_reason    TEXT    NOT NULL,
    last_error     TEXT    NOT NULL,
    changes        TEXT    NOT NULL,             -- JSON: how the reason changed
    UNIQUE (target_key, location_key, began_at)
) STRICT;

CREATE INDEX incidents_newest ON incidents (began_at, id);
CREATE INDEX incidents_of_target ON incidents (target_key, began_at, id);
-- Few at any time: those that go on are found without the others.
CREATE INDEX incidents_open ON incidents (target_key, location_key) WHERE ended_at IS NULL;
CREATE INDEX incidents_ended ON incidents (ended_at) WHERE ended_at IS NOT NULL;
