-- What any change of a target changes: each writes its own updated_at. The sum is one of remainders by a prime: it fits.
SELECT count(*), coalesce(max(updated_at), 0), coalesce(sum(updated_at % 2147483647), 0) FROM targets
