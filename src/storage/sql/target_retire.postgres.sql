-- Also the first step of a rename: a target that is not present holds no name.
UPDATE targets SET present = false, enabled = false, updated_at = $2 WHERE id = ANY ($1)
