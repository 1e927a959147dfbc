-- Of the target ?1 at the location ?2 nothing older goes on when something begins at ?3.
UPDATE incidents SET ended_at = ?3, ended_by = 'superseded'
WHERE ended_at IS NULL AND location_key = ?2 AND began_at < ?3 AND target_key = (SELECT key FROM targets WHERE id = ?1)
