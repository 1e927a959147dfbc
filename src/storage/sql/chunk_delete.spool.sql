DELETE FROM chunks WHERE id = ?1 RETURNING results
