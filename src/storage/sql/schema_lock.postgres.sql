-- Held until the end of the transaction, also where a pooler hands each transaction another connection: "Pingu" in ASCII.
SELECT pg_advisory_xact_lock(345366226805)
