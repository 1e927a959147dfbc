-- Also the first step of a rename: a target that is not present holds no name.
UPDATE targets SET present = 0, enabled = ?2, updated_at = ?3 WHERE id = ?1
