DELETE FROM settled WHERE width = ?1 AND bucket >= ?2 AND bucket < ?3
