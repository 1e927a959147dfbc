//! Postgres at its worst: what Pingu does when the server is not there, not right, or not well.
