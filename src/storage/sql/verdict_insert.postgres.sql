-- Another poller may insert the same at this moment: whoever comes second finds it afterwards.
WITH numbers AS (
    UPDATE counters SET value = value + cardinality($1::text[]) WHERE name = 'verdict' RETURNING value - cardinality($1::text[]) AS base
)
INSERT INTO verdicts (key, error, resolved_ip, status_code, reason, slow, seen_on)
SELECT ((base + number) * 4 + outcome)::int4, error, resolved_ip, status_code, reason, slow, DATE '1970-01-01' + day
FROM numbers,
    unnest($1::text[], $2::text[], $3::int4[], $4::text[], $5::boolean[], $6::int4[], $7::int4[]) WITH ORDINALITY
        AS w (error, resolved_ip, status_code, reason, slow, outcome, day, number)
ON CONFLICT DO NOTHING
