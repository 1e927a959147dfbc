INSERT INTO chunks (id, results, begins, body) VALUES (?1, ?2, ?3, ?4)
