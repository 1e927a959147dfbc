DELETE FROM minute_days WHERE day = ?1
