UPDATE verdicts SET seen_on = max(seen_on, ?2) WHERE key = ?1
