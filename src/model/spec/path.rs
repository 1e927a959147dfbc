//! A place in JSON, as RFC 9535 (`JSONPath`) writes it.
//!
//! `jsonpath-rust` reads the path; what is there is looked for by the HTTP probe. Functions (RFC 9535 section 2.4) are left out.

use std::fmt;
use std::sync::Arc;

use jsonpath_rust::parser::model::{
    Comparable, Filter, FilterAtom, JpQuery, Segment, Selector, Test,
};
use jsonpath_rust::parser::parse_json_path;
use serde::{Deserialize, Serialize};

use super::memo::Memo;

/// A path into JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonPath(String);

/// A few KiB each.
static READY: Memo<Arc<JpQuery>> = Memo::new(1000);

impl JsonPath {
    /// In bytes.
    pub const MAX: usize = 250;
    /// Brackets within brackets: reading them takes longer with each.
    const DEPTH: usize = 8;

    /// The path, or what is wrong with it in a few words.
    pub fn new(written: &str) -> Result<Self, String> {
        if written.len() > Self::MAX {
            return Err(format!("it is longer than {} bytes", Self::MAX));
        }
        READY.of(written, parse)?;
        Ok(Self(written.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as it was read. Nothing where it is none, which only a database that something else wrote to has.
    pub fn query(&self) -> Option<Arc<JpQuery>> {
        READY.of(&self.0, parse).ok()
    }
}

fn parse(written: &str) -> Result<Arc<JpQuery>, String> {
    let mut depth = 0_usize;
    for byte in written.bytes() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JsonPath::DEPTH {
            return Err("its brackets are nested too deep".to_owned());
        }
    }
    let query = parse_json_path(written).map_err(|_| "it is no JSONPath".to_owned())?;
    if query.segments.iter().all(without_functions) {
        Ok(Arc::new(query))
    } else {
        Err("functions are not supported".to_owned())
    }
}

fn without_functions(segment: &Segment) -> bool {
    let plain = |selector: &Selector| match selector {
        Selector::Filter(filter) => is_plain(filter),
        _ => true,
    };
    match segment {
        Segment::Descendant(segment) => without_functions(segment),
        Segment::Selector(selector) => plain(selector),
        Segment::Selectors(selectors) => selectors.iter().all(plain),
    }
}

fn is_plain(filter: &Filter) -> bool {
    match filter {
        Filter::Or(filters) | Filter::And(filters) => filters.iter().all(is_plain),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => is_plain(expr),
        Filter::Atom(FilterAtom::Test { expr, .. }) => match expr.as_ref() {
            Test::RelQuery(segments) => segments.iter().all(without_functions),
            Test::AbsQuery(query) => query.segments.iter().all(without_functions),
            Test::Function(_) => false,
        },
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            let (left, right) = comparison.vals();
            let is_function = |it: &Comparable| matches!(it, Comparable::Function(_));
            !is_function(left) && !is_function(right)
        }
    }
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_path_is_refused_in_words() {
        for (path, error) in [
            ("status", "it is no JSONPath"),
            ("", "it is no JSONPath"),
            ("$.", "it is no JSONPath"),
            ("$[?length(@.a) > 2]", "functions are not supported"),
            ("$[?match(@.a, 'x')]", "functions are not supported"),
            (
                &format!("$.{}", "a".repeat(300)),
                "it is longer than 250 bytes",
            ),
            (
                &format!("$[?{}1==1{}]", "(".repeat(60), ")".repeat(60)),
                "its brackets are nested too deep",
            ),
        ] {
            assert_eq!(JsonPath::new(path).unwrap_err(), error, "{path}");
        }
    }
}
