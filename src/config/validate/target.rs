//! Reads one target, or the `defaults:`, key by key.

use std::collections::HashMap;

use super::super::problem::quoted;
use super::super::report::{Report, Span};
use super::super::yaml::{Entry, Map, Shape, Value};
use super::draft::Draft;
use super::http;
use super::key::{self, Key};
use super::value::Field;
use crate::model::Kind;

/// A mapping with more keys than this is no target.
const MAX_KEYS: usize = 200;

/// Which key each unknown one was meant to be, by its place in the file: a mapping that is merged into many targets is only pondered
/// once.
pub type Meant = HashMap<u32, Option<&'static str>>;

/// What the target at `value` says. Nothing when it is no mapping at all.
pub fn read(
    value: Value<'_>,
    defaults: &Draft,
    known: &mut Meant,
    report: &mut Report,
) -> Option<Draft> {
    let map = mapping(
        value,
        "a target",
        "expected keys and values, like `- name: router`",
        report,
    )?;
    let count = map.iter().count();
    if count > MAX_KEYS {
        report.error(
            head(value, map),
            format!("a target with {count} keys"),
            "expected a few keys, like `name` and `type`".to_owned(),
        );
        return None;
    }
    let mut draft = Draft::default();
    // the type decides what the other keys mean, wherever it stands
    let mut kind = None;
    if let Some(entry) = map.iter().find(|entry| entry.key == "type") {
        take("type", entry, &mut draft, report);
        kind = draft.kind.said().copied();
    }
    let mut meant = Vec::new();
    for entry in map.iter().filter(|entry| entry.key != "type") {
        match key::find(entry.key) {
            Some(key) if kind.is_some_and(|kind| !key.is_of(kind)) => {
                if http::SECRET_KEYS.contains(&key.name) {
                    http::conceal(entry.value, report);
                }
                foreign(entry, key, kind, report);
            }
            Some(key) => (key.read)(
                &mut draft,
                Field {
                    name: key.name,
                    value: entry.value,
                },
                report,
            ),
            None => {
                let owner = "a target";
                conceal_unknown(entry, report);
                meant.extend(
                    *known
                        .entry(entry.key_span.offset)
                        .or_insert_with(|| unknown(entry, owner, key::names(kind), report)),
                );
            }
        }
    }
    if map.is_whole {
        for (name, hint) in draft.missing(defaults) {
            // a misspelt key was told about already
            if !meant.contains(&name) {
                let hint = match name {
                    "type" => type_hint(map),
                    _ => hint.to_owned(),
                };
                report.error(
                    head(value, map),
                    format!("this target has no `{name}`"),
                    hint,
                );
            }
        }
    }
    draft.cross_check(defaults, report);
    Some(draft)
}

/// What `defaults:` says.
pub fn read_defaults(value: Value<'_>, report: &mut Report) -> Draft {
    let mut draft = Draft::default();
    if matches!(value.shape(), Shape::Nothing) {
        return draft;
    }
    let Some(map) = mapping(
        value,
        "`defaults`",
        "expected keys and values, like `interval_seconds: 30`",
        report,
    ) else {
        return draft;
    };
    let usable = || key::all().filter(|key| key.has_default).map(|key| key.name);
    for entry in map.iter() {
        match key::find(entry.key) {
            Some(key) if key.has_default => {
                (key.read)(
                    &mut draft,
                    Field {
                        name: key.name,
                        value: entry.value,
                    },
                    report,
                );
            }
            Some(key) => {
                if http::SECRET_KEYS.contains(&key.name) {
                    http::conceal(entry.value, report);
                }
                let message = format!("`{}` can have no default", key.name);
                let hint = format!(
                    "write it in each target; defaults may have {}",
                    key::listed(usable())
                );
                report.error(entry.key_span, message, hint);
            }
            None => {
                conceal_unknown(entry, report);
                unknown(entry, "`defaults`", usable(), report);
            }
        }
    }
    draft.cross_check(&Draft::default(), report);
    draft.http.check_credentials(report);
    draft
}

fn take(name: &str, entry: Entry<'_>, draft: &mut Draft, report: &mut Report) {
    if let Some(key) = key::find(name) {
        (key.read)(
            draft,
            Field {
                name: key.name,
                value: entry.value,
            },
            report,
        );
    }
}

fn mapping<'t>(
    value: Value<'t>,
    what: &str,
    expected: &str,
    report: &mut Report,
) -> Option<Map<'t>> {
    let found = match value.shape() {
        Shape::Map(map) => return Some(map),
        Shape::Broken => return None,
        Shape::Nothing => "nothing".to_owned(),
        Shape::Scalar(scalar) => format!("the text {}", quoted(scalar.text)),
        Shape::List(_) => "a list".to_owned(),
    };
    let hint = match value.shape() {
        Shape::Scalar(scalar) if scalar.text.contains(':') => {
            "a space must follow the colon, like `name: router`"
        }
        _ => expected,
    };
    report.error(
        value.span(),
        format!("{what} is a mapping, but here is {found}"),
        hint.to_owned(),
    );
    None
}

/// A key of another type.
fn foreign(entry: Entry<'_>, key: &Key, kind: Option<Kind>, report: &mut Report) {
    let own = kind.map_or("", Kind::as_str);
    let message = format!(
        "{} belongs to {}, and this target is of `type: {own}`",
        quoted(entry.key),
        key::listed(key.of.iter().map(|kind| declared(*kind)))
    );
    let special = key::all().filter(|key| key.is_special());
    let special = special.filter(|key| kind.is_some_and(|kind| key.is_of(kind)));
    let special = key::listed(special.map(|key| key.name));
    report.error(
        entry.key_span,
        message,
        format!("remove it, or change the type; `type: {own}` has {special}"),
    );
}

/// What was meant for a key that holds secrets is one, whatever it is called here.
fn conceal_unknown(entry: Entry<'_>, report: &mut Report) {
    let meant = key::meant(entry.key, &key::names(None));
    if meant.is_some_and(|name| http::SECRET_KEYS.contains(&name)) {
        http::conceal(entry.value, report);
    }
}

/// Tells about an unknown key, and which key it was meant to be.
fn unknown(
    entry: Entry<'_>,
    owner: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    report: &mut Report,
) -> Option<&'static str> {
    let meant = key::meant(entry.key, &known);
    let hint = match meant {
        Some("interval_seconds") => "did you mean `interval_seconds` (in seconds)?".to_owned(),
        Some("timeout_ms") => "did you mean `timeout_ms` (in milliseconds)?".to_owned(),
        Some("enabled") if entry.key.eq_ignore_ascii_case("disabled") => {
            "did you mean `enabled: false`?".to_owned()
        }
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are {}", key::listed(known)),
    };
    report.error(
        entry.key_span,
        format!("{owner} has no key {}", quoted(entry.key)),
        hint,
    );
    meant
}

/// A target without a type can be told which ones have all of its keys.
fn type_hint(map: Map<'_>) -> String {
    let keys = || map.iter().filter_map(|entry| key::find(entry.key));
    let fits = |kind: &Kind| keys().all(|key| key.is_of(*kind));
    let fitting = Kind::ALL.into_iter().filter(fits);
    match key::either(fitting.map(declared)) {
        none if none.is_empty() => {
            let all = key::either(Kind::ALL.into_iter().map(declared));
            format!("add {all}")
        }
        some => format!("add {some}"),
    }
}

/// As a file says it.
const fn declared(kind: Kind) -> &'static str {
    match kind {
        Kind::Icmp => "type: icmp",
        Kind::Http => "type: http",
        Kind::Tcp => "type: tcp",
        Kind::Dns => "type: dns",
        Kind::Tls => "type: tls",
    }
}

/// Where a target begins: its first key, or its bracket.
fn head(value: Value<'_>, map: Map<'_>) -> Span {
    let own = value.span();
    map.iter()
        .next()
        .map(|entry| entry.key_span)
        .filter(|first| first.offset >= own.offset)
        .map_or(
            Span {
                length: own.length.max(1),
                ..own
            },
            |first| {
                if first.offset == own.offset {
                    first
                } else {
                    Span { length: 1, ..own }
                }
            },
        )
}
