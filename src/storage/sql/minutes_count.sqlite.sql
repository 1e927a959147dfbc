SELECT count(*) FROM minutes_{day}
