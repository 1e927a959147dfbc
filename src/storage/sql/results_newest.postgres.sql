-- The newest slot after a moment: there is none but where a clock was set back.
SELECT max(ts) FROM results WHERE ts > $1
