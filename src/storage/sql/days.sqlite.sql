SELECT day FROM days ORDER BY day
