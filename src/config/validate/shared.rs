//! The keys that targets of every type have.

use std::time::Duration;

use super::super::problem::quoted;
use super::super::report::Report;
use super::super::slug;
use super::key::{Key, either, meant};
use super::value::{Answer, Field, is_deceptive};
use crate::model::Kind;

pub const KEYS: &[Key] = &[
    Key {
        name: "name",
        of: &Kind::ALL,
        has_default: false,
        read: |draft, field, report| draft.name = name(field, report),
    },
    Key {
        name: "type",
        of: &Kind::ALL,
        has_default: false,
        read: |draft, field, report| draft.kind = kind(field, report),
    },
    Key {
        name: "id",
        of: &Kind::ALL,
        has_default: false,
        read: |draft, field, report| draft.id = id(field, report),
    },
    Key {
        name: "enabled",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.enabled = field.boolean(report),
    },
    Key {
        name: "interval_seconds",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.interval = interval(field, report),
    },
    Key {
        name: "timeout_ms",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.timeout = milliseconds(field, report),
    },
    Key {
        name: "slow_ms",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.slow_after = milliseconds(field, report),
    },
    Key {
        name: "fail_after",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.fail_after = results(field, report),
    },
    Key {
        name: "recover_after",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.recover_after = results(field, report),
    },
    Key {
        name: "group",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.group = group(field, report),
    },
    Key {
        name: "tags",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.tags = tags(field, report),
    },
    Key {
        name: "description",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.description = description(field, report),
    },
];

pub const MIN_INTERVAL: Duration = Duration::from_millis(100);
pub const MAX_INTERVAL: Duration = Duration::from_secs(366 * 86_400);
/// In characters.
pub const MAX_NAME: usize = 300;

const MAX_RESULTS: u8 = 100;
const MAX_GROUP: usize = 100;
const MAX_TAGS: usize = 32;
const MAX_TAG: usize = 64;
const MAX_DESCRIPTION: usize = 2000;

fn name(field: Field<'_>, report: &mut Report) -> Answer<String> {
    field.line(
        MAX_NAME,
        "a name of its own for each target, like `router`",
        report,
    )
}

fn kind(field: Field<'_>, report: &mut Report) -> Answer<Kind> {
    const SYNONYMS: &[(&str, &str)] = &[
        ("https", "http"),
        ("web", "http"),
        ("url", "http"),
        ("ping", "icmp"),
        ("icmp6", "icmp"),
        ("port", "tcp"),
        ("socket", "tcp"),
        ("nameserver", "dns"),
        ("resolver", "dns"),
        ("ssl", "tls"),
        ("certificate", "tls"),
        ("starttls", "tls"),
    ];
    let known = || Kind::ALL.into_iter().map(Kind::as_str);
    let expected = either(known());
    field.text(&expected, report).checked(report, |text| {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == text) {
            return Ok(kind);
        }
        let synonym = SYNONYMS
            .iter()
            .find(|(other, _)| text.eq_ignore_ascii_case(other))
            .map(|&(_, name)| name);
        let hint = match synonym.or_else(|| meant(text, &known())) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("expected {expected}"),
        };
        Err((format!("there is no type {}", quoted(text)), Some(hint)))
    })
}

fn id(field: Field<'_>, report: &mut Report) -> Answer<String> {
    let expected = format!("a UUID, or {}", slug::EXPECTED);
    field.text(&expected, report).checked(report, |text| {
        // a UUID is the same in capitals
        if text.len() == 36
            && let Ok(uuid) = uuid::Uuid::try_parse(text)
        {
            return Ok(uuid.to_string());
        }
        if slug::is_valid(text) {
            return Ok(text.to_owned());
        }
        let hint = slug::nearest(text).map_or_else(
            || format!("expected {expected}"),
            |slug| format!("expected {expected}; `{slug}` would do"),
        );
        Err((format!("{} cannot be an id", quoted(text)), Some(hint)))
    })
}

fn interval(field: Field<'_>, report: &mut Report) -> Answer<Duration> {
    field.seconds(report).checked(report, |seconds| {
        let name = field.name;
        if !seconds.is_finite() {
            return Err((
                format!("`{name}` is not a finite number"),
                Some("expected seconds, like 30 or 0.5".to_owned()),
            ));
        }
        if seconds < MIN_INTERVAL.as_secs_f64() {
            return Err((format!("`{name}` is {seconds}: at least 0.1"), None));
        }
        if seconds > MAX_INTERVAL.as_secs_f64() {
            return Err((
                format!("`{name}` is more than 366 days"),
                Some("the unit is seconds".to_owned()),
            ));
        }
        // slots are counted in microseconds
        Ok(Duration::from_micros((seconds * 1e6).round() as u64))
    })
}

fn milliseconds(field: Field<'_>, report: &mut Report) -> Answer<Duration> {
    field.milliseconds(report).checked(report, |milliseconds| {
        let duration = Duration::from_millis(milliseconds);
        if duration > MAX_INTERVAL {
            return Err((
                format!("`{}` is more than 366 days", field.name),
                Some("the unit is milliseconds".to_owned()),
            ));
        }
        Ok(duration)
    })
}

/// How many results in a row.
fn results(field: Field<'_>, report: &mut Report) -> Answer<u8> {
    field.number(1, MAX_RESULTS, 2, report)
}

fn group(field: Field<'_>, report: &mut Report) -> Answer<String> {
    field.line(MAX_GROUP, "the name of a group, like `office`", report)
}

fn tags(field: Field<'_>, report: &mut Report) -> Answer<Vec<String>> {
    field.lines(
        MAX_TAGS,
        MAX_TAG,
        "a list of words, like [web, paris]",
        report,
    )
}

/// May have several lines.
fn description(field: Field<'_>, report: &mut Report) -> Answer<String> {
    field
        .text("a text for people", report)
        .checked(report, |text| {
            let text = text.trim();
            let length = text.chars().count();
            if length > MAX_DESCRIPTION {
                return Err((
                    format!(
                        "`{}` is {length} characters long: at most {MAX_DESCRIPTION}",
                        field.name
                    ),
                    None,
                ));
            }
            if let Some(bad) = text
                .chars()
                .find(|&c| c != '\n' && c != '\t' && is_deceptive(c))
            {
                return Err((
                    format!(
                        "`{}` holds the invisible character U+{:04X}",
                        field.name, bad as u32
                    ),
                    None,
                ));
            }
            Ok(text.to_owned())
        })
}
