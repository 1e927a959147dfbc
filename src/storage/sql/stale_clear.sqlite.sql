DELETE FROM stale WHERE width = ?1 AND bucket = ?2 AND marks = ?3
