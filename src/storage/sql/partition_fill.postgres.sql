-- Which of these days ($1) hold rows; of a partition no more is read than its first one.
SELECT day, EXISTS (
    SELECT 1 FROM {table} AS r WHERE r.{time} >= to_timestamp(day * 86400.0) AND r.{time} < to_timestamp((day + 1) * 86400.0)
)
FROM unnest($1::int4[]) AS day
