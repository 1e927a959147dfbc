//! Settings: from the environment of the process and the `.env` file.
//!
//! Promises that everything wrong is told at once, and that the value of a secret is never printed. What is set but empty is refused:
//! no setting has a use for it, and a variable that a script failed to fill should not pass for the default. The list of settings, with
//! help and defaults, is `setting.rs`.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tracing_subscriber::filter::EnvFilter;

use super::database_url::DatabaseUrl;
use super::dotenv::Dotenv;
use super::problem::quoted;
use super::setting::{self, Setting};
use super::slug;
use crate::environment;
use secrecy::SecretString;

/// What the operator decides. Valid by construction.
#[derive(Debug, Clone)]
pub struct Settings {
    pub database: DatabaseUrl,
    pub spool_path: PathBuf,
    /// 1 MiB to 1 TiB.
    pub spool_max_bytes: u64,
    /// 0 to 36500; 0 is for ever, as for both that follow.
    pub retention_days: u32,
    pub rollup_5m_retention_days: u32,
    pub rollup_1h_retention_days: u32,
    pub targets_path: PathBuf,
    pub listen: SocketAddr,
    /// What readers of the API have to show; nothing where anyone may read.
    pub api_token: Option<SecretString>,
    /// A level in lower case, or directives as `EnvFilter` takes them.
    pub log_level: String,
    pub log_format: LogFormat,
    /// A slug of at most 64 bytes.
    pub location: String,
    /// 1 to 65536.
    pub http_concurrency: usize,
    pub tcp_concurrency: usize,
    pub dns_concurrency: usize,
    pub tls_concurrency: usize,
    /// Packets a second, up to a million; nothing where there is no limit.
    pub icmp_max_pps: Option<NonZeroU32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Everything that is wrong with the settings, one problem per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    problems: Vec<String>,
}

/// Where a value comes from, for messages: nothing for the environment, `.env:3: ` for the file.
type Values = HashMap<String, (String, OsString)>;

impl Settings {
    /// Probes of every type that has a limit, at their limits.
    pub const fn probes_at_once(&self) -> usize {
        self.http_concurrency + self.tcp_concurrency + self.dns_concurrency + self.tls_concurrency
    }

    /// Settings of this process: its environment, and what that does not set from `.env` in `dotenv_dir`. Also gives warnings.
    ///
    /// Sets no variables of the process: that would be unsound once threads run. What `.env` says is lent to [`environment`], where
    /// targets find the variables that they refer to.
    pub fn load(dotenv_dir: &Path) -> Result<(Self, Vec<String>), SettingsError> {
        let dotenv = Dotenv::read(dotenv_dir);
        let file = dotenv_dir.join(".env");
        let all = dotenv.entries.iter();
        environment::lend(all.map(|entry| (entry.name.clone(), entry.value.clone())));
        let in_file = dotenv.entries.into_iter().map(|entry| {
            let origin = format!("{}:{}: ", file.display(), entry.line);
            (entry.name, (origin, OsString::from(entry.value)))
        });
        let in_process = setting::ALL.iter().filter_map(|setting| {
            let value = env::var_os(setting.name)?;
            Some((setting.name.to_owned(), (String::new(), value)))
        });
        // of equal names the last one stays
        let values: Values = in_file.chain(in_process).collect();
        let settings = Self::read(values, dotenv.problems)?;
        Ok((settings, dotenv.warnings))
    }

    /// Settings from names and values alone; of equal names the last one counts, and unknown ones are left alone.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SettingsError> {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), (String::new(), OsString::from(value))));
        Self::read(values.collect(), Vec::new())
    }

    fn read(values: Values, problems: Vec<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader { values, problems };
        let database = reader.take(&setting::DATABASE_URL, |text| {
            DatabaseUrl::parse(text).map_err(Some)
        });
        let targets_path = reader.take(&setting::TARGETS_PATH, |text| Ok(PathBuf::from(text)));
        let listen = reader.take(&setting::LISTEN, listen);
        let api_token = reader.take_optional(&setting::API_TOKEN, api_token);
        let log_level = reader.take(&setting::LOG_LEVEL, log_level);
        let log_format = reader.take(&setting::LOG_FORMAT, log_format);
        let location = reader.take(&setting::LOCATION, |text| {
            if slug::is_valid(text) {
                Ok(text.to_owned())
            } else {
                Err(None)
            }
        });
        let http_concurrency = reader.take(&setting::HTTP_CONCURRENCY, concurrency);
        let tcp_concurrency = reader.take(&setting::TCP_CONCURRENCY, concurrency);
        let dns_concurrency = reader.take(&setting::DNS_CONCURRENCY, concurrency);
        let tls_concurrency = reader.take(&setting::TLS_CONCURRENCY, concurrency);
        let icmp_max_pps = reader.take(&setting::ICMP_MAX_PPS, packets_a_second);
        let spool_is_named = reader.values.contains_key(setting::SPOOL_PATH.name);
        let mut spool_path = reader.take(&setting::SPOOL_PATH, |text| Ok(PathBuf::from(text)));
        let spool_max_bytes = reader.take(&setting::SPOOL_MAX_BYTES, spool_max_bytes);
        let retention_days = reader.take(&setting::RETENTION_DAYS, days);
        let rollup_5m_retention_days = reader.take(&setting::ROLLUP_5M_RETENTION_DAYS, days);
        let rollup_1h_retention_days = reader.take(&setting::ROLLUP_1H_RETENTION_DAYS, days);
        if let (Some(database), Some(location)) = (&database, &location) {
            if !spool_is_named {
                spool_path = Some(spool_beside(database, location));
            } else if let DatabaseUrl::Sqlite(path) = database
                && spool_path.as_ref() == Some(path)
            {
                reader.problems.push(
                    "SPOOL_PATH cannot be the file of DATABASE_URL: the spool needs one of its own"
                        .to_owned(),
                );
            }
        }
        let problems = reader.problems;
        let all = || {
            Some(Self {
                database: database?,
                spool_path: spool_path?,
                spool_max_bytes: spool_max_bytes?,
                retention_days: retention_days?,
                rollup_5m_retention_days: rollup_5m_retention_days?,
                rollup_1h_retention_days: rollup_1h_retention_days?,
                targets_path: targets_path?,
                listen: listen?,
                api_token,
                log_level: log_level?,
                log_format: log_format?,
                location: location?,
                http_concurrency: http_concurrency?,
                tcp_concurrency: tcp_concurrency?,
                dns_concurrency: dns_concurrency?,
                tls_concurrency: tls_concurrency?,
                icmp_max_pps: icmp_max_pps?,
            })
        };
        match all() {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(SettingsError { problems }),
        }
    }
}

impl SettingsError {
    /// Each names its setting, what is wrong, and what is allowed.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these settings cannot be used:")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

struct Reader {
    values: Values,
    problems: Vec<String>,
}

impl Reader {
    /// A setting without a default: nothing where it is not set. What is wrong with it is among the problems.
    fn take_optional<T>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, Option<&'static str>>,
    ) -> Option<T> {
        let is_set = self.values.contains_key(setting.name);
        is_set.then(|| self.take(setting, parse)).flatten()
    }

    /// `parse` fails with what is wrong, where it can say more than that the value is not what is expected.
    fn take<T>(
        &mut self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> Result<T, Option<&'static str>>,
    ) -> Option<T> {
        let given = self.values.remove(setting.name);
        let (origin, value) =
            given.unwrap_or_else(|| (String::new(), OsString::from(setting.default)));
        let name = setting.name;
        let (said, reason) = match value.to_str() {
            None => ("is not UTF-8".to_owned(), None),
            Some(text) if text.trim().is_empty() => (
                format!(
                    "is set but empty{}",
                    match setting.default {
                        "" => String::new(),
                        default => format!(" (without it, {default} would count)"),
                    }
                ),
                None,
            ),
            Some(text) => match parse(text.trim()) {
                Ok(value) => return Some(value),
                Err(reason) if setting.is_secret => {
                    ("cannot be used (its value is not shown)".to_owned(), reason)
                }
                Err(reason) => (format!("cannot be {}", quoted(text)), reason),
            },
        };
        let reason = reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        self.problems.push(format!(
            "{origin}{name} {said}{reason}\n    expected {}",
            setting.expected
        ));
        None
    }
}

/// An address and a port. `localhost` is 127.0.0.1, so that no resolver decides where the API is open. `:8000` is refused: it means all
/// addresses to some programs and only this machine to others.
fn listen(text: &str) -> Result<SocketAddr, Option<&'static str>> {
    if let Ok(address) = SocketAddr::from_str(text) {
        return Ok(address);
    }
    if text.starts_with(':') || text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Some(
            "say who may connect: 127.0.0.1 for this machine alone, 0.0.0.0 for everyone",
        ));
    }
    if text.contains("://") {
        return Err(Some("it is a URL"));
    }
    match text.split_once(':') {
        Some(("localhost", port)) => {
            let port = port
                .parse()
                .map_err(|_| Some("a port is a number up to 65535"))?;
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        }
        Some((host, port)) if host.parse::<Ipv4Addr>().is_ok() && port.parse::<u16>().is_err() => {
            Err(Some("a port is a number up to 65535"))
        }
        _ => Err(None),
    }
}

/// Levels in any case, also those of Python, whose services are what many settings were written for.
fn log_level(text: &str) -> Result<String, Option<&'static str>> {
    let bare = |part: &str| {
        Some(match part.to_ascii_lowercase().as_str() {
            "error" | "critical" | "fatal" => "error",
            "warn" | "warning" => "warn",
            "info" => "info",
            "debug" => "debug",
            "trace" => "trace",
            "off" => "off",
            _ => return None,
        })
    };
    if let Some(level) = bare(text) {
        return Ok(level.to_owned());
    }
    // to EnvFilter a misspelt level is the name of a module
    let parts = text.split(',').map(str::trim);
    let is_known = |part: &str| part.contains(['=', '[']) || bare(part).is_some();
    if !parts.clone().all(is_known) {
        return Err(None);
    }
    let directives: Vec<&str> = parts.map(|part| bare(part).unwrap_or(part)).collect();
    let directives = directives.join(",");
    EnvFilter::builder().parse(&directives).map_err(|_| None)?;
    Ok(directives)
}

/// Short enough for a header, long enough not to be guessed.
fn api_token(text: &str) -> Result<SecretString, Option<&'static str>> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (16..=512).contains(&text.len()) {
        Ok(SecretString::from(text))
    } else {
        Err(None)
    }
}

fn log_format(text: &str) -> Result<LogFormat, Option<&'static str>> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(None),
    }
}

fn concurrency(text: &str) -> Result<usize, Option<&'static str>> {
    text.parse()
        .ok()
        .filter(|count| (1..=65_536).contains(count))
        .ok_or(None)
}

fn packets_a_second(text: &str) -> Result<Option<NonZeroU32>, Option<&'static str>> {
    let packets = text.parse::<u32>().ok();
    let packets = packets
        .filter(|packets| *packets <= 1_000_000)
        .ok_or(None)?;
    Ok(NonZeroU32::new(packets))
}

fn days(text: &str) -> Result<u32, Option<&'static str>> {
    text.parse().ok().filter(|days| *days <= 36_500).ok_or(None)
}

/// Where the spool is if nobody says: beside the database, one for each location.
fn spool_beside(database: &DatabaseUrl, location: &str) -> PathBuf {
    let database = match database {
        DatabaseUrl::Sqlite(path) => path.as_path(),
        DatabaseUrl::Postgres(_) => Path::new("pingu.db"),
    };
    let mut name = database.file_stem().unwrap_or_default().to_owned();
    if location != setting::LOCATION.default {
        name.push(".");
        name.push(location);
    }
    name.push(".spool.db");
    database.with_file_name(name)
}

/// A number of bytes, or of a binary multiple of them. KB and MB are refused: they mean 1000 to some and 1024 to others.
fn spool_max_bytes(text: &str) -> Result<u64, Option<&'static str>> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "kib" => 10,
        "mib" => 20,
        "gib" => 30,
        "tib" => 40,
        "kb" | "mb" | "gb" | "tb" => {
            return Err(Some("write KiB, MiB, GiB or TiB, which are powers of 1024"));
        }
        _ => return Err(None),
    };
    let number: u64 = number.parse().map_err(|_| None)?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| (1 << 20..=1 << 40).contains(bytes))
        .ok_or(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spool_lies_beside_the_database_unless_it_is_named() {
        for (pairs, expected) in [
            (vec![], "pingu.spool.db"),
            (
                vec![("DATABASE_URL", "sqlite:///var/lib/pingu/results.sqlite")],
                "/var/lib/pingu/results.spool.db",
            ),
            (
                vec![("DATABASE_URL", "postgres://db/pingu")],
                "pingu.spool.db",
            ),
            (vec![("LOCATION", "paris-1")], "pingu.paris-1.spool.db"),
            (
                vec![("LOCATION", "paris-1"), ("SPOOL_PATH", "/spool/p")],
                "/spool/p",
            ),
        ] {
            let settings = Settings::from_pairs(pairs.clone()).unwrap();
            assert_eq!(settings.spool_path, Path::new(expected), "{pairs:?}");
        }
        assert!(problem("SPOOL_PATH", "pingu.db").contains("one of its own"));
    }

    #[test]
    fn a_size_is_bytes_or_a_binary_multiple() {
        for (text, expected) in [
            ("1048576", 1 << 20),
            ("1024 KiB", 1 << 20),
            ("64mib", 64 << 20),
            ("1GiB", 1 << 30),
            ("1TiB", 1 << 40),
            ("2000000b", 2_000_000),
        ] {
            let settings = Settings::from_pairs([("SPOOL_MAX_BYTES", text)]).unwrap();
            assert_eq!(settings.spool_max_bytes, expected, "{text}");
        }
        for text in [
            "0",
            "1",
            "-1",
            "1048575",
            "2TiB",
            "1.5GiB",
            "GiB",
            "99999999999999999999",
            "9999999999GiB",
        ] {
            problem("SPOOL_MAX_BYTES", text);
        }
        assert!(problem("SPOOL_MAX_BYTES", "1GB").contains("powers of 1024"));
    }

    fn problem(name: &str, value: &str) -> String {
        let error = Settings::from_pairs([(name, value)]).expect_err(value);
        assert_eq!(error.problems().len(), 1, "{error}");
        error.problems()[0].clone()
    }

    #[test]
    fn nothing_set_is_the_defaults() {
        let settings = Settings::from_pairs([]).unwrap();
        assert!(
            matches!(&settings.database, DatabaseUrl::Sqlite(path) if path == Path::new("pingu.db"))
        );
        assert_eq!(settings.targets_path, Path::new("targets.yaml"));
        assert_eq!(settings.listen, "127.0.0.1:8000".parse().unwrap());
        assert_eq!(
            (settings.log_level.as_str(), settings.log_format),
            ("info", LogFormat::Text)
        );
        assert_eq!(
            (settings.location.as_str(), settings.http_concurrency),
            ("local", 256)
        );
    }

    #[test]
    fn every_wrong_setting_is_told_at_once() {
        let error = Settings::from_pairs([
            ("DATABASE_URL", "mysql://root:hunter2@db/pingu"),
            ("TARGETS_PATH", ""),
            ("LISTEN", "8000"),
            ("LOG_LEVEL", "inof"),
            ("LOG_FORMAT", "xml"),
            ("LOCATION", "Paris 1"),
            ("HTTP_CONCURRENCY", "0"),
            ("SPOOL_PATH", " "),
            ("SPOOL_MAX_BYTES", "many"),
            ("RETENTION_DAYS", "for ever"),
        ])
        .unwrap_err();
        insta::assert_snapshot!(error, @r"
        these settings cannot be used:
          DATABASE_URL cannot be used (its value is not shown): its scheme is neither sqlite nor postgres
            expected like sqlite://pingu.db or postgres://user:password@localhost:5432/pingu
          TARGETS_PATH is set but empty (without it, targets.yaml would count)
            expected the path of a file, like targets.yaml
          LISTEN cannot be `8000`: say who may connect: 127.0.0.1 for this machine alone, 0.0.0.0 for everyone
            expected an address and a port, like 127.0.0.1:8000 or [::1]:8000
          LOG_LEVEL cannot be `inof`
            expected error, warn, info, debug, trace or off, or directives like info,pingu::probe=debug
          LOG_FORMAT cannot be `xml`
            expected text or json
          LOCATION cannot be `Paris 1`
            expected up to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit, like paris-1
          HTTP_CONCURRENCY cannot be `0`
            expected a whole number from 1 to 65536, like 256
          SPOOL_PATH is set but empty (without it, pingu.spool.db would count)
            expected the path of a file, like pingu.spool.db
          SPOOL_MAX_BYTES cannot be `many`
            expected 1MiB to 1TiB, in bytes or with KiB, MiB, GiB or TiB, like 1GiB
          RETENTION_DAYS cannot be `for ever`
            expected a whole number of days up to 36500, like 30, or 0 for ever
        ");
    }

    #[test]
    fn history_is_kept_for_whole_days_or_for_ever() {
        let pairs = [
            ("RETENTION_DAYS", "0"),
            ("ROLLUP_5M_RETENTION_DAYS", "36500"),
        ];
        let settings = Settings::from_pairs(pairs).unwrap();
        assert_eq!(settings.retention_days, 0);
        assert_eq!(settings.rollup_5m_retention_days, 36_500);
        assert_eq!(settings.rollup_1h_retention_days, 0);
        for text in ["-1", "36501", "1.5", "30d", "never"] {
            problem("RETENTION_DAYS", text);
            problem("ROLLUP_1H_RETENTION_DAYS", text);
        }
    }

    #[test]
    fn where_to_listen_is_an_address_and_a_port() {
        for (text, address) in [
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:8000", "[::]:8000"),
            ("localhost:8000", "127.0.0.1:8000"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            (" 127.0.0.1:1 ", "127.0.0.1:1"),
        ] {
            assert_eq!(
                Settings::from_pairs([("LISTEN", text)]).unwrap().listen,
                address.parse().unwrap()
            );
        }
        for text in [
            ":8000",
            "8000",
            "127.0.0.1",
            "example.com:80",
            "http://127.0.0.1:8000",
            "127.0.0.1:99999",
            "localhost:x",
            "::1:80",
        ] {
            assert!(
                problem("LISTEN", text).starts_with("LISTEN cannot be `"),
                "{text}"
            );
        }
    }

    #[test]
    fn log_levels_are_names_or_directives() {
        for (text, level) in [
            ("INFO", "info"),
            ("WARNING", "warn"),
            ("critical", "error"),
            ("warn,pingu::probe=debug", "warn,pingu::probe=debug"),
            ("Info, pingu=trace", "info,pingu=trace"),
        ] {
            assert_eq!(
                Settings::from_pairs([("LOG_LEVEL", text)])
                    .unwrap()
                    .log_level,
                level
            );
        }
        for text in ["inof", "info,debgu", "pingu=loud", "verbose", ","] {
            problem("LOG_LEVEL", text);
        }
    }

    #[test]
    fn the_value_of_a_secret_is_never_shown() {
        assert!(!problem("DATABASE_URL", "postgres://ada:hun#ter2@db").contains("ter2"));
        let settings =
            Settings::from_pairs([("DATABASE_URL", "postgres://ada:hunter2@db/pingu")]).unwrap();
        assert!(!format!("{settings:?} {}", settings.database).contains("hunter2"));
    }

    #[test]
    fn the_example_is_the_list_of_settings() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("example.env");
        let expected = setting::example();
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(found, expected, "example.env should hold:\n{expected}");
        // and everything in it may be uncommented
        let active: String = found
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|line| !line.starts_with(' '))
                    .unwrap_or("")
            })
            .collect::<Vec<_>>()
            .join("\n");
        let dotenv = Dotenv::parse("example.env", &active);
        assert_eq!(
            (dotenv.entries.len(), dotenv.problems, dotenv.warnings),
            (setting::ALL.len(), vec![], vec![])
        );
        Settings::from_pairs(
            dotenv
                .entries
                .iter()
                .map(|entry| (entry.name.as_str(), entry.value.as_str())),
        )
        .unwrap();
    }

    #[test]
    fn a_folder_gives_its_settings_and_its_problems() {
        let folder = tempfile::tempdir().unwrap();
        // the environment of the tests may set anything else
        let name = "HTTP_CONCURRENCY";
        assert!(env::var_os(name).is_none());
        Settings::load(folder.path()).unwrap();
        let file = folder.path().join(".env");
        std::fs::write(
            &file,
            "# mine\nHTTP_CONCURENCY=1\nHTTP_CONCURRENCY=7\nUNRELATED=x\n",
        )
        .unwrap();
        let (settings, warnings) = Settings::load(folder.path()).unwrap();
        assert_eq!(settings.http_concurrency, 7);
        assert_eq!(warnings.len(), 1);
        std::fs::write(&file, "HTTP_CONCURRENCY=many\nbroken line\n").unwrap();
        let error = Settings::load(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "{}:1: HTTP_CONCURRENCY cannot be `many`",
                file.display()
            )),
            "{error}"
        );
        assert!(
            error.contains(&format!("{}:2: cannot be understood", file.display())),
            "{error}"
        );
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(
            Settings::load(folder.path())
                .unwrap_err()
                .to_string()
                .contains("no regular file")
        );
    }
}
