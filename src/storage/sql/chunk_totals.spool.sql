SELECT coalesce(sum(results), 0), coalesce(max(id), 0) FROM chunks
