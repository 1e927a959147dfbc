UPDATE floors SET day = ?2 WHERE width = ?1 AND day < ?2
