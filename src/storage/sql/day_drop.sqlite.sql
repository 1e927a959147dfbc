DROP TABLE results_{day}
