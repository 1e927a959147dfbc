-- Ends at ?1 what goes on of targets that are no longer probed.
UPDATE incidents SET ended_at = max(?1, began_at), ended_by = 'removed'
WHERE ended_at IS NULL AND target_key IN (SELECT key FROM targets WHERE NOT enabled)
