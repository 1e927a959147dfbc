INSERT INTO quarantine (error, results, body) SELECT ?2, results, body FROM chunks WHERE id = ?1
