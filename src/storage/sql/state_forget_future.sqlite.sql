-- A state from the future was stored under a clock that has been set back since: it would hide every newer result.
DELETE FROM target_state WHERE ts > ?1
