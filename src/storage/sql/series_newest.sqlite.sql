-- Every target that has results, the most recently probed first.
SELECT t.key, t.id, t.name, max(s.ts)
FROM target_state AS s
JOIN targets AS t ON t.key = s.target_key
GROUP BY t.key
ORDER BY 4 DESC
