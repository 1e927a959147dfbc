SELECT coalesce(max(version), 0) FROM pingu_schema
