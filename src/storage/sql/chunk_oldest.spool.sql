SELECT id, results, begins FROM chunks ORDER BY id
