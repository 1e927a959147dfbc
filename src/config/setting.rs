//! The list of settings: what each is called, what it is for, and what it may be.
//!
//! `example.env` is this list written out; a test keeps the two equal. How a value is read stands in `settings.rs`.

/// One setting, as documented.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// What counts when nobody says.
    pub default: &'static str,
    /// Reads like "a whole number from 1 to 65536, like 256".
    pub expected: &'static str,
    /// For `example.env`, in lines.
    pub help: &'static [&'static str],
    /// Its value is never printed.
    pub is_secret: bool,
}

pub const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: "sqlite://pingu.db",
    expected: "like sqlite://pingu.db or postgres://user:password@localhost:5432/pingu",
    help: &[
        "Where results are kept: a file of SQLite, or a Postgres database.",
        "  sqlite://pingu.db             in the working directory",
        "  sqlite:///var/lib/pingu.db    an absolute path begins with a third slash",
        "  postgres://user:password@localhost:5432/pingu",
        "postgresql:// and postgresql+psycopg:// mean the same. In a password, @ : / ? # and % are",
        "percent-encoded (%40 %3A %2F %3F %23 %25). Put the value between single quotes if it holds a $.",
    ],
    is_secret: true,
};

pub const TARGETS_PATH: Setting = Setting {
    name: "TARGETS_PATH",
    default: "targets.yaml",
    expected: "the path of a file, like targets.yaml",
    help: &["The file that says what to watch. It is read again when it changes."],
    is_secret: false,
};

pub const LISTEN: Setting = Setting {
    name: "LISTEN",
    default: "127.0.0.1:8000",
    expected: "an address and a port, like 127.0.0.1:8000 or [::1]:8000",
    help: &[
        "Where the API and the dashboard listen: an IP address (or localhost, which is 127.0.0.1) and a port.",
        "0.0.0.0:8000 or [::]:8000 lets other machines in. Port 0 takes any free one. pingu poller and pingu api on one machine",
        "need one each.",
    ],
    is_secret: false,
};

pub const API_TOKEN: Setting = Setting {
    name: "API_TOKEN",
    default: "",
    expected: "at least 16 visible characters without spaces, or no such line at all",
    help: &[
        "Who has it may read: with a token set, every route but /livez, /readyz and the page's own files",
        "asks for the header \"Authorization: Bearer <token>\", or for a session that was opened with it (the page does that).",
        "Set one before LISTEN lets other machines in: 16 to 512 characters, such as openssl rand -base64 32 makes.",
    ],
    is_secret: true,
};

pub const LOG_LEVEL: Setting = Setting {
    name: "LOG_LEVEL",
    default: "info",
    expected: "error, warn, info, debug, trace or off, or directives like info,pingu::probe=debug",
    help: &[
        "How much is logged: error, warn, info, debug, trace or off.",
        "Parts may differ: info,pingu::probe=debug",
    ],
    is_secret: false,
};

pub const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: "text",
    expected: "text or json",
    help: &["How log lines look: text for people, json for machines."],
    is_secret: false,
};

pub const LOCATION: Setting = Setting {
    name: "LOCATION",
    default: "local",
    expected: "up to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit, like paris-1",
    help: &[
        "Where this poller stands. It is stored with every result; each poller on one database needs its own.",
    ],
    is_secret: false,
};

pub const HTTP_CONCURRENCY: Setting = Setting {
    name: "HTTP_CONCURRENCY",
    default: "256",
    expected: "a whole number from 1 to 65536, like 256",
    help: &[
        "How many HTTP probes may run at once. One that has to wait is late, and its lag says so.",
    ],
    is_secret: false,
};

pub const TCP_CONCURRENCY: Setting = Setting {
    name: "TCP_CONCURRENCY",
    default: "256",
    expected: "a whole number from 1 to 65536, like 256",
    help: &["The same for targets of `type: tcp`."],
    is_secret: false,
};

pub const DNS_CONCURRENCY: Setting = Setting {
    name: "DNS_CONCURRENCY",
    default: "256",
    expected: "a whole number from 1 to 65536, like 256",
    help: &["The same for targets of `type: dns`."],
    is_secret: false,
};

pub const TLS_CONCURRENCY: Setting = Setting {
    name: "TLS_CONCURRENCY",
    default: "256",
    expected: "a whole number from 1 to 65536, like 256",
    help: &["The same for targets of `type: tls`."],
    is_secret: false,
};

pub const ICMP_MAX_PPS: Setting = Setting {
    name: "ICMP_MAX_PPS",
    default: "0",
    expected: "0 for no limit, or a whole number of packets a second up to 1000000, like 5000",
    help: &[
        "How many packets a second may be sent for pings, whatever the targets ask for; 0 is no limit. What is above waits,",
        "and its lag says so.",
    ],
    is_secret: false,
};

pub const SPOOL_PATH: Setting = Setting {
    name: "SPOOL_PATH",
    default: "pingu.spool.db",
    expected: "the path of a file, like pingu.spool.db",
    help: &[
        "The file that keeps results while the database is away. Without this setting it lies beside the SQLite file",
        "(pingu.db gives pingu.spool.db), with Postgres in the working directory; a LOCATION other than local is part",
        "of its name. Each running Pingu needs its own.",
    ],
    is_secret: false,
};

pub const SPOOL_MAX_BYTES: Setting = Setting {
    name: "SPOOL_MAX_BYTES",
    default: "1GiB",
    expected: "1MiB to 1TiB, in bytes or with KiB, MiB, GiB or TiB, like 1GiB",
    help: &[
        "How large that file may become; a result takes about 50 bytes. Beyond it the oldest results go, and are counted.",
    ],
    is_secret: false,
};

pub const RETENTION_DAYS: Setting = Setting {
    name: "RETENTION_DAYS",
    default: "30",
    expected: "a whole number of days up to 36500, like 30, or 0 for ever",
    help: &[
        "For how many days every single result is kept; 0 is for ever. Days on which nothing was stored do not count.",
        "Summaries and charts of longer ago come from roll-ups, which are kept longer.",
    ],
    is_secret: false,
};

pub const ROLLUP_5M_RETENTION_DAYS: Setting = Setting {
    name: "ROLLUP_5M_RETENTION_DAYS",
    default: "90",
    expected: "a whole number of days up to 36500, like 90, or 0 for ever",
    help: &[
        "For how many days roll-ups of five minutes are kept; 0 is for ever. Never shorter than the results they are made of.",
    ],
    is_secret: false,
};

pub const ROLLUP_1H_RETENTION_DAYS: Setting = Setting {
    name: "ROLLUP_1H_RETENTION_DAYS",
    default: "0",
    expected: "a whole number of days up to 36500, like 730, or 0 for ever",
    help: &[
        "For how many days roll-ups of an hour are kept; 0 is for ever. Never shorter than those of five minutes.",
    ],
    is_secret: false,
};

/// Every setting, in the order of `example.env`.
pub const ALL: &[&Setting] = &[
    &DATABASE_URL,
    &SPOOL_PATH,
    &SPOOL_MAX_BYTES,
    &RETENTION_DAYS,
    &ROLLUP_5M_RETENTION_DAYS,
    &ROLLUP_1H_RETENTION_DAYS,
    &TARGETS_PATH,
    &LISTEN,
    &API_TOKEN,
    &HTTP_CONCURRENCY,
    &TCP_CONCURRENCY,
    &DNS_CONCURRENCY,
    &TLS_CONCURRENCY,
    &ICMP_MAX_PPS,
    &LOCATION,
    &LOG_LEVEL,
    &LOG_FORMAT,
];

/// The text of `example.env`.
#[cfg(test)]
pub fn example() -> String {
    use std::fmt::Write as _;

    let mut text = String::from(
        "# Settings of Pingu. Copy this file to .env in the working directory and take away the # before what you change.\n\
         # What is set in the environment of the process counts more. The values here are the defaults, where there is one.\n\
         # docker-compose.yml reads .env too, for what does not concern places, and POSTGRES_PASSWORD.\n",
    );
    for setting in ALL {
        text.push('\n');
        for line in setting.help {
            let _ = writeln!(text, "# {line}");
        }
        let value = match setting.default {
            "" => "put-a-long-random-text-here",
            default => default,
        };
        let _ = writeln!(text, "#{}={value}", setting.name);
    }
    text
}
