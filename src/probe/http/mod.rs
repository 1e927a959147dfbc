//! One HTTP exchange on a fresh connection, its phases timed apart.
