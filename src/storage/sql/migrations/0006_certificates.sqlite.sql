-- What each target presented last to prove who it is, as seen from each location. Written when it changes and once a day.
CREATE TABLE certificates (
    series_key INTEGER PRIMARY KEY REFERENCES series (key),
    digest     TEXT    NOT NULL,                 -- of all that is said here but the instant
    seen_at    INTEGER NOT NULL,
    chain      TEXT    NOT NULL                  -- JSON
) STRICT;
