-- At most $2 verdicts that were last used before the day $1, which has no results any more, and that no newest result has. The day is
-- looked at again in the row itself: a poller may be about to use it again.
DELETE FROM verdicts AS v
USING (
    SELECT old.key
    FROM verdicts AS old
    WHERE old.seen_on < DATE '1970-01-01' + $1::int4
      AND NOT EXISTS (SELECT 1 FROM target_state AS s WHERE s.verdict_key = old.key)
    LIMIT $2
) AS gone
WHERE v.key = gone.key AND v.seen_on < DATE '1970-01-01' + $1::int4
