DROP TABLE minutes_{day}
