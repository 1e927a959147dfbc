SELECT key FROM locations WHERE name = $1
