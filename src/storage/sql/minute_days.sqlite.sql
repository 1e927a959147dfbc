SELECT day FROM minute_days ORDER BY day
