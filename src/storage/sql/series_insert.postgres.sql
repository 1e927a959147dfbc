-- Nothing where the target is unknown; another poller of this location may have been faster.
INSERT INTO series (target_key, location_key)
SELECT key, $2 FROM targets WHERE id = ANY ($1)
ON CONFLICT DO NOTHING
