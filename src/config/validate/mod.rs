//! Turns the tree of a targets file into declared targets, or into everything that is wrong with it.
//!
//! Promises that whatever it returns without an error satisfies the bounds of `model::TargetSpec`. Leaves out where the text came from.

mod dns;
mod draft;
mod host;
mod http;
mod icmp;
mod key;
mod reach;
mod shared;
mod target;
mod tcp;
mod tls;
mod value;
mod way;

use std::collections::HashMap;

use super::problem::quoted;
use super::report::{Report, Span};
use super::yaml::{Entry, Map, Shape, Tree, Value};
use crate::model::Declared;
use draft::Draft;
use value::Answer;

pub use host::checked as checked_host;
#[cfg(test)]
pub use shared::{MAX_INTERVAL, MAX_NAME, MIN_INTERVAL};

/// The keys at the top of a file. Others that begin with `x-` are left alone: a place to keep anchors, as in Compose files.
const TOP: &[&str] = &["targets", "defaults"];

/// What a document declares.
#[derive(Debug, Default)]
pub struct Declarations {
    pub targets: Vec<Declared>,
    /// Whether the file does not even say `targets: []`.
    pub is_empty: bool,
}

/// Every key a target may have.
#[cfg(test)]
pub fn keys() -> impl Iterator<Item = &'static str> {
    key::names(None)
}

/// Reads a whole document. The result counts only if `report` has no errors afterwards.
pub fn document(tree: &Tree<'_>, report: &mut Report) -> Declarations {
    let nothing = Declarations {
        targets: Vec::new(),
        is_empty: true,
    };
    let Some(root) = tree.root() else {
        return nothing;
    };
    let map = match root.shape() {
        Shape::Map(map) => map,
        Shape::Nothing | Shape::Broken => return nothing,
        Shape::List(_) => {
            let hint = "put `targets:` above the list".to_owned();
            report.error(
                start(root),
                "the file is a list, but `targets` is a key of the file",
                hint,
            );
            return nothing;
        }
        Shape::Scalar(scalar) => {
            let hint = "expected `targets:` and below it a list, like `- name: router`".to_owned();
            report.error(
                root.span(),
                format!("the file is only the text {}", quoted(scalar.text)),
                hint,
            );
            return nothing;
        }
    };
    let defaults = top(map, report);
    let Some(targets) = map.iter().find(|entry| entry.key == "targets") else {
        return nothing;
    };
    let items = match targets.value.shape() {
        Shape::List(items) => items,
        Shape::Nothing | Shape::Broken => return nothing,
        Shape::Map(_) | Shape::Scalar(_) => {
            let hint = "begin each target with a hyphen, like `- name: router`".to_owned();
            report.error(targets.value.span(), "`targets` is not a list", hint);
            return nothing;
        }
    };
    let mut unique = Unique::default();
    let mut named = way::Named::default();
    named.check(&defaults.way, &defaults.way, report);
    let mut meant = target::Meant::default();
    let mut declared = Vec::with_capacity(items.iter().len());
    for item in items.iter() {
        if let Some(draft) = target::read(item, &defaults, &mut meant, report) {
            unique.check(&draft, report);
            named.check(&draft.way, &defaults.way, report);
            declared.extend(draft.finish(&defaults));
        }
    }
    Declarations {
        targets: declared,
        is_empty: false,
    }
}

/// The keys of the file itself: tells of unknown ones, and gives the defaults.
fn top(map: Map<'_>, report: &mut Report) -> Draft {
    let mut defaults = Draft::default();
    for entry in map.iter() {
        match entry.key {
            "targets" => {}
            "defaults" => defaults = target::read_defaults(entry.value, report),
            key if key.starts_with("x-") => {}
            _ => unknown(entry, report),
        }
    }
    defaults
}

fn unknown(entry: Entry<'_>, report: &mut Report) {
    let hint = match key::meant(entry.key, &TOP.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if key::find(entry.key).is_some() => {
            "a target stands in the list below `targets:`, like `- name: router`".to_owned()
        }
        None => format!(
            "known are {}; a place for anchors may begin with `x-`",
            key::listed(TOP.iter().copied())
        ),
    };
    report.error(
        entry.key_span,
        format!("the file has no key {}", quoted(entry.key)),
        hint,
    );
}

fn start(value: Value<'_>) -> Span {
    Span {
        length: 1,
        ..value.span()
    }
}

/// What no two targets may share.
#[derive(Debug, Default)]
struct Unique {
    names: HashMap<Box<str>, u32>,
    ids: HashMap<Box<str>, u32>,
}

impl Unique {
    fn check(&mut self, draft: &Draft, report: &mut Report) {
        Self::once(&mut self.names, "name", &draft.name, report);
        Self::once(&mut self.ids, "id", &draft.id, report);
    }

    fn once(
        seen: &mut HashMap<Box<str>, u32>,
        what: &str,
        answer: &Answer<String>,
        report: &mut Report,
    ) {
        let Answer::Said(text, at) = answer else {
            return;
        };
        if let Some(line) = seen.get(text.as_str()) {
            let message = format!(
                "the {what} {} is taken by the target of line {line}",
                quoted(text)
            );
            report.error(
                *at,
                message,
                format!("each target needs {what} of its own", what = article(what)),
            );
        } else {
            seen.insert(text.as_str().into(), at.line);
        }
    }
}

fn article(what: &str) -> String {
    let article = if what == "id" { "an" } else { "a" };
    format!("{article} {what}")
}
