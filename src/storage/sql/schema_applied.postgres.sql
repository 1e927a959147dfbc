INSERT INTO pingu_schema (version) VALUES ($1)
