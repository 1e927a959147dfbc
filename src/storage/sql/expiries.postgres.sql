-- When the first certificate ends of those that each enabled target presented, at every location; the newest look last.
SELECT t.id, (
    SELECT min(e ->> 'not_after' COLLATE "C")
    FROM json_array_elements(c.chain -> 'certificates') AS e
)
FROM certificates AS c
JOIN series AS s ON s.key = c.series_key
JOIN targets AS t ON t.key = s.target_key
WHERE t.enabled
ORDER BY c.seen_at
