UPDATE verdicts AS v
SET seen_on = DATE '1970-01-01' + w.day
FROM unnest($1::int4[], $2::int4[]) AS w (key, day)
WHERE v.key = w.key AND v.seen_on < DATE '1970-01-01' + w.day
