SELECT day FROM hour_days ORDER BY day
