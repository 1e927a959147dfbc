SELECT key, id, name FROM targets
WHERE CASE WHEN ?1 IS NULL THEN enabled = 1 ELSE id = ?1 END
ORDER BY name
