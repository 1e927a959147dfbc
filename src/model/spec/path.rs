//! A place in JSON, as RFC 9535 (`JSONPath`) writes it.
//!
//! `jsonpath-rust` reads the path; what is there is looked for in `search`. Functions (RFC 9535 section 2.4) are left out.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jsonpath_rust::parser::model::{
    Comparable, Filter, FilterAtom, JpQuery, Segment, Selector, Test,
};
use jsonpath_rust::parser::parse_json_path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search::Search;

/// A path into JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct JsonPath {
    written: String,
    ready: Arc<OnceLock<Option<JpQuery>>>,
}

/// Why nothing can be said of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsearchable {
    #[error("the path leads to too many values")]
    TooMuch,
    /// Only a database that something else wrote to has one.
    #[error("the path is none")]
    Unreadable,
}

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
        let path = Self::from(written.to_owned());
        let read = parse(written)?;
        // never set before: it was made above
        let _ = path.ready.set(Some(read));
        Ok(path)
    }

    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The values at the path, in the order of the JSON.
    pub fn find<'v>(&self, root: &'v Value) -> Result<Vec<&'v Value>, Unsearchable> {
        let ready = self.ready.get_or_init(|| parse(&self.written).ok());
        let query = ready.as_ref().ok_or(Unsearchable::Unreadable)?;
        Search::new(root).segments(&query.segments, root)
    }
}

fn parse(written: &str) -> Result<JpQuery, String> {
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
        Ok(query)
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

impl From<String> for JsonPath {
    fn from(written: String) -> Self {
        Self {
            written,
            ready: Arc::default(),
        }
    }
}

impl From<JsonPath> for String {
    fn from(path: JsonPath) -> Self {
        path.written
    }
}

impl PartialEq for JsonPath {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for JsonPath {}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;

    fn found(path: &str, value: &Value) -> Value {
        let path = JsonPath::new(path).unwrap();
        path.find(value).unwrap().into_iter().cloned().collect()
    }

    #[test]
    fn paths_find_what_the_standard_says() {
        let shop = json!({
            "status": "ok",
            "a b": {"c": 1},
            "list": [0, 1, 2, 3],
            "parts": [
                {"name": "db", "state": "up", "ms": 3, "tags": ["x"]},
                {"name": "mail", "state": "down", "ms": 30.5},
                {"name": "web", "state": "up", "ms": null}
            ]
        });
        for (path, expected) in [
            ("$.status", json!(["ok"])),
            ("$['status']", json!(["ok"])),
            ("$[\"a b\"].c", json!([1])),
            ("$.nothing", json!([])),
            ("$.status.deeper", json!([])),
            ("$.list[0]", json!([0])),
            ("$.list[-1]", json!([3])),
            ("$.list[9]", json!([])),
            ("$.list[-9]", json!([])),
            ("$.list[1:3]", json!([1, 2])),
            ("$.list[::-2]", json!([3, 1])),
            ("$.list[::0]", json!([])),
            ("$.list[-2:]", json!([2, 3])),
            ("$.list[0,2]", json!([0, 2])),
            ("$.parts[*].name", json!(["db", "mail", "web"])),
            ("$..c", json!([1])),
            ("$..tags[0]", json!(["x"])),
            ("$.parts[?(@.state=='up')].name", json!(["db", "web"])),
            ("$.parts[?@.state == \"down\"].name", json!(["mail"])),
            ("$.parts[?@.ms > 3].name", json!(["mail"])),
            (
                "$.parts[?@.ms >= 3 && @.name != 'mail'].name",
                json!(["db"]),
            ),
            ("$.parts[?@.tags].name", json!(["db"])),
            ("$.parts[?!@.tags].name", json!(["mail", "web"])),
            ("$.parts[?@.ms == null].name", json!(["web"])),
            (
                "$.parts[?(@.name=='db' || @.name=='web')].state",
                json!(["up", "up"]),
            ),
        ] {
            assert_eq!(found(path, &shop), expected, "{path}");
        }
        let whole = JsonPath::new("$").unwrap();
        assert_eq!(whole.find(&shop).unwrap(), [&shop]);
    }

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

    /// What a megabyte of JSON can be at worst: long keys, and as many values as fit.
    #[test]
    fn a_search_is_bounded_whatever_the_json() {
        let long = "k".repeat(500_000);
        let value = json!({ long: vec![1; 250_000] });
        let began = Instant::now();
        for path in ["$.*[*]", "$..*", "$[*][?@ == 2]", "$..[?@ > 0]"] {
            let found = JsonPath::new(path).unwrap().find(&value).unwrap().len();
            assert!(found <= 500_001, "{path}");
        }
        for path in ["$..*..*..*..*", "$[*][?$[*][?$[*][?$.x]]]"] {
            let mut deep = json!(vec![1; 2000]);
            for _ in 0..100 {
                deep = json!([deep]);
            }
            let result =
                JsonPath::new(path)
                    .unwrap()
                    .find(if path.contains('?') { &value } else { &deep });
            assert!(
                matches!(result, Err(Unsearchable::TooMuch))
                    || result.is_ok_and(|found| found.len() < crate::model::spec::search::STEPS),
                "{path}"
            );
        }
        // it would take years without the bound
        assert!(began.elapsed().as_secs() < 120, "{:?}", began.elapsed());
    }
}
