//! Where results rest: a file of `SQLite` or a Postgres server.
//!
//! Promises never to print a password: neither `Debug` nor `Display` nor an error does.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The database that `DATABASE_URL` names.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A path, relative to the working directory unless it begins with a slash.
    Sqlite(PathBuf),
    /// Begins with `postgresql://`; everything after that is as it was written.
    Postgres(SecretString),
}

/// Schemes of `SQLAlchemy` that mean Postgres through some driver of Python's.
const POSTGRES: &[&str] = &[
    "postgres",
    "postgresql",
    "postgresql+psycopg",
    "postgresql+psycopg2",
    "postgresql+asyncpg",
];

impl DatabaseUrl {
    /// The database, or what is wrong; the error never holds a part of `text`, which may be part of a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err("it has no scheme: a file is written sqlite://pingu.db");
        };
        if scheme == "sqlite" {
            return sqlite(rest);
        }
        if POSTGRES.contains(&scheme) {
            return postgres(rest);
        }
        if scheme.starts_with("sqlite+") {
            return Err(
                "a driver after sqlite+ means nothing here: write sqlite://pingu.db, or sqlite:///var/lib/pingu.db",
            );
        }
        Err("its scheme is neither sqlite nor postgres")
    }
}

fn sqlite(rest: &str) -> Result<DatabaseUrl, &'static str> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path == "/" {
        return Err("it names no file");
    }
    if path == ":memory:" {
        return Err("results in memory would be lost: name a file");
    }
    if path.contains(['?', '#']) {
        return Err("options after ? are not known: only the path of the file");
    }
    if path.contains('\0') {
        return Err("it holds a NUL byte");
    }
    if path.ends_with('/') {
        return Err("it names a directory, not a file");
    }
    // SQLAlchemy writes an absolute path with four slashes
    let path = if path.starts_with("//") {
        path.trim_start_matches('/')
    } else {
        return Ok(DatabaseUrl::Sqlite(path.into()));
    };
    Ok(DatabaseUrl::Sqlite(PathBuf::from(format!("/{path}"))))
}

fn postgres(rest: &str) -> Result<DatabaseUrl, &'static str> {
    if !rest.starts_with("//") {
        return Err("two slashes must follow the scheme");
    }
    let text = format!("postgresql:{rest}");
    let url = Url::parse(&text).map_err(
        |_| "it is no URL: characters such as @ : / ? # % in a password must be percent-encoded",
    )?;
    // both mean that the password broke out of its place
    if url.fragment().is_some() || url.path().contains('@') {
        return Err("characters such as @ : / ? # % in a password must be percent-encoded");
    }
    if url.port() == Some(0) {
        return Err("port 0 cannot be connected to");
    }
    Ok(DatabaseUrl::Postgres(text.into()))
}

/// Who, where and which database; options may hold secrets and are left out.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = match self {
            Self::Sqlite(path) => return write!(f, "sqlite://{}", path.display()),
            Self::Postgres(secret) => secret,
        };
        let Ok(url) = Url::parse(secret.expose_secret()) else {
            return f.write_str("postgresql://***");
        };
        f.write_str("postgresql://")?;
        if !url.username().is_empty() {
            f.write_str(url.username())?;
            f.write_str(if url.password().is_some() {
                ":***@"
            } else {
                "@"
            })?;
        }
        f.write_str(url.host_str().unwrap_or(""))?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())?;
        f.write_str(if url.query().is_some() { "?***" } else { "" })
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathBuf {
        match DatabaseUrl::parse(text) {
            Ok(DatabaseUrl::Sqlite(path)) => path,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_usual_form_of_a_file_is_accepted() {
        for (text, expected) in [
            ("sqlite://pingu.db", "pingu.db"),
            ("sqlite:pingu.db", "pingu.db"),
            ("sqlite://data/pingu.db", "data/pingu.db"),
            ("sqlite:///var/lib/pingu.db", "/var/lib/pingu.db"),
            ("sqlite:/var/lib/pingu.db", "/var/lib/pingu.db"),
            ("sqlite:////var/lib/pingu.db", "/var/lib/pingu.db"),
        ] {
            assert_eq!(path(text), PathBuf::from(expected), "{text}");
        }
    }

    #[test]
    fn every_usual_form_of_a_server_is_accepted() {
        for scheme in POSTGRES {
            let text = format!("{scheme}://ada:se%40cret@db:5432/pingu?sslmode=require");
            match DatabaseUrl::parse(&text) {
                Ok(DatabaseUrl::Postgres(url)) => {
                    assert_eq!(
                        url.expose_secret(),
                        "postgresql://ada:se%40cret@db:5432/pingu?sslmode=require"
                    );
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let url = DatabaseUrl::parse("postgres://ada:secret@db/pingu?password=secret").unwrap();
        assert_eq!(url.to_string(), "postgresql://ada:***@db/pingu?***");
        assert_eq!(
            format!("{url:?}"),
            "DatabaseUrl(postgresql://ada:***@db/pingu?***)"
        );
        for text in [
            "postgres://ada:sec#ret@db/pingu",
            "postgres://ada:12/34@db/pingu",
            "postgres://ada:sec/ret@db/pingu",
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err();
            assert!(error.contains("percent-encoded"), "{text}: {error}");
        }
    }

    #[test]
    fn what_names_no_database_is_refused() {
        for text in [
            "",
            "pingu.db",
            "sqlite:",
            "sqlite://",
            "sqlite:///",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://pingu.db?mode=ro",
            "sqlite://data/",
            "sqlite+aiosqlite:///pingu.db",
            "postgres:db",
            "postgres://db:99999/",
            "postgres://db:0/",
            "mysql://db/",
        ] {
            assert!(DatabaseUrl::parse(text).is_err(), "{text}");
        }
    }
}
