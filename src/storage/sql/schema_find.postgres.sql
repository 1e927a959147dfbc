-- Whether the schema is Pingu's, and which tables of the same names are there already.
SELECT to_regclass('pingu_schema') IS NOT NULL,
       ARRAY(
           SELECT name
           FROM unnest(ARRAY['targets', 'locations', 'series', 'verdicts', 'results', 'target_state', 'counters']) AS name
           WHERE to_regclass(name) IS NOT NULL
       )
