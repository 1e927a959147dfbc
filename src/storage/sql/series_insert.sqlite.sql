-- Nothing where the target is unknown.
INSERT INTO series (target_key, location_key)
SELECT key, ?2 FROM targets WHERE id = ?1
RETURNING key
