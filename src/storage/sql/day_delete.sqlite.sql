DELETE FROM days WHERE day = ?1
