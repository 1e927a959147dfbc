SELECT id, results, body FROM chunks WHERE id < ?1 ORDER BY id DESC
