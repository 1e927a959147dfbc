-- At most ?2 verdicts that were last used before the day ?1, which has no results any more, and that no newest result has.
DELETE FROM verdicts
WHERE key IN (
    SELECT key
    FROM verdicts
    WHERE seen_on < ?1 AND key NOT IN (SELECT verdict_key FROM target_state)
    LIMIT ?2
)
