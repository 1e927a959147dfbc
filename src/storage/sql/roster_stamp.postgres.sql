-- What any change of a target changes: each writes its own updated_at. The sum is one of remainders by a prime: it fits.
SELECT count(*),
       coalesce(max(micros), 0),
       coalesce(sum(micros % 2147483647), 0)::int8
FROM (SELECT (extract(epoch FROM updated_at) * 1000000)::int8 AS micros FROM targets) AS t
