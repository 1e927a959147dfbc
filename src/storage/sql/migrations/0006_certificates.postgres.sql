-- What each target presented last to prove who it is, as seen from each location. Written when it changes and once a day.
CREATE TABLE certificates (
    seen_at    timestamptz NOT NULL,
    series_key int4        PRIMARY KEY REFERENCES series (key),
    digest     text        NOT NULL,             -- of all that is said here but the instant
    chain      json        NOT NULL
);
