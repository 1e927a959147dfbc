SELECT count(*) FROM results_{day}
