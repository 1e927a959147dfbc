INSERT INTO targets (id, slug, name, present, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description,
                     type, host, url, spec, created_at, updated_at, fail_after, recover_after)
SELECT id, slug, name, true, enabled, interval_us, timeout_us, slow_after_us, group_name, tags::json, description,
       type, host, url, spec::json, $15, $15, fail_after, recover_after
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::int8[], $6::int8[], $7::int8[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $16::int2[], $17::int2[])
    AS d (id, slug, name, enabled, interval_us, timeout_us, slow_after_us, group_name, tags, description, type, host, url, spec,
          fail_after, recover_after)
