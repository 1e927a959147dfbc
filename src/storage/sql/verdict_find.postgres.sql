-- The keys of those of the wanted verdicts that are there, each with its place in the list.
SELECT w.number, v.key
FROM unnest($1::text[], $2::text[], $3::int4[], $4::text[], $5::boolean[], $6::int4[]) WITH ORDINALITY
    AS w (error, resolved_ip, status_code, reason, slow, outcome, number)
JOIN verdicts AS v
    ON v.error = w.error AND v.resolved_ip = w.resolved_ip AND v.status_code = w.status_code
    AND v.reason = w.reason AND v.slow = w.slow AND v.key % 4 = w.outcome
