SELECT key FROM targets WHERE id = ?1
