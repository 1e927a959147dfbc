CREATE TABLE pingu_schema (
    version    int4        PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
