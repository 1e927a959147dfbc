DELETE FROM hour_days WHERE day = $1
