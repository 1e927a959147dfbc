INSERT INTO owner (location) VALUES (?1)
