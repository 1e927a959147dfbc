-- A slug stays when the file stops giving one: the target is still the same.
UPDATE targets AS t SET
    slug = coalesce(d.slug, t.slug), name = d.name, present = true, enabled = d.enabled, interval_us = d.interval_us,
    timeout_us = d.timeout_us, slow_after_us = d.slow_after_us, group_name = d.group_name, tags = d.tags::json,
    description = d.description, type = d.type, host = d.host, url = d.url, spec = d.spec::json, updated_at = $15,
    fail_after = d.fail_after, recover_after = d.recover_after
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::int8[], $6::int8[], $7::int8[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $16::int2[], $17::int2[])
    AS d (id, slug, name, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description, type, host, url, spec,
          fail_after, recover_after)
WHERE t.id = d.id
