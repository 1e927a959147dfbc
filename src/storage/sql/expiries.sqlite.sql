-- When the first certificate ends of those that each enabled target presented, at every location; the newest look last.
SELECT t.id, (
    SELECT min(json_extract(e.value, '$.not_after'))
    FROM json_each(c.chain, '$.certificates') AS e
)
FROM certificates AS c
JOIN series AS s ON s.key = c.series_key
JOIN targets AS t ON t.key = s.target_key
WHERE t.enabled = 1
ORDER BY c.seen_at
