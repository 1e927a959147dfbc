//! What is found at a path into JSON.
//!
//! The search of `jsonpath-rust` writes out the way to every value that it passes, which JSON with one long key and many values turns into
//! gigabytes. This one keeps references alone, and counts its steps. RFC 9535 says what is found.

use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, Literal, Segment, Selector, SingularQuery,
    SingularQuerySegment, Test,
};
use serde_json::Number;

use super::json::{Json, same};
use crate::model::JsonPath;

/// A value takes two bytes at the least and a few steps: this is more than any path needs that looks at each of them once.
const STEPS_A_BYTE: usize = 8;
/// For what is small, more would not be noticed: a millisecond.
const FEWEST_STEPS: usize = 50_000;

/// Why nothing can be said of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsearchable {
    #[error("the path leads to too many values")]
    TooMuch,
    /// Only a database that something else wrote to has one.
    #[error("the path is none")]
    Unreadable,
}

/// The values at the path, in JSON that was `length` bytes long: how many of its values a search may pass grows with that.
pub(super) fn find<'v>(
    path: &JsonPath,
    root: &'v Json,
    length: usize,
) -> Result<Vec<&'v Json>, Unsearchable> {
    let query = path.query().ok_or(Unsearchable::Unreadable)?;
    let mut search = Search {
        root,
        left: FEWEST_STEPS + STEPS_A_BYTE * length,
    };
    search.segments(&query.segments, root)
}

/// One search, with what is left of its steps.
struct Search<'v> {
    root: &'v Json,
    left: usize,
}

impl<'v> Search<'v> {
    fn step(&mut self) -> Result<(), Unsearchable> {
        self.left = self.left.checked_sub(1).ok_or(Unsearchable::TooMuch)?;
        Ok(())
    }

    fn segments(
        &mut self,
        segments: &[Segment],
        from: &'v Json,
    ) -> Result<Vec<&'v Json>, Unsearchable> {
        let mut found = vec![from];
        for segment in segments {
            let mut next = Vec::new();
            for value in found {
                self.segment(segment, value, &mut next)?;
            }
            found = next;
        }
        Ok(found)
    }

    fn segment(
        &mut self,
        segment: &Segment,
        value: &'v Json,
        found: &mut Vec<&'v Json>,
    ) -> Result<(), Unsearchable> {
        match segment {
            Segment::Selector(selector) => self.select(selector, value, found),
            Segment::Selectors(selectors) => {
                for selector in selectors {
                    self.select(selector, value, found)?;
                }
                Ok(())
            }
            // depth is bounded by that of the JSON, which its parser bounds
            Segment::Descendant(inner) => {
                self.step()?;
                self.segment(inner, value, found)?;
                for child in value.children() {
                    self.segment(segment, child, found)?;
                }
                Ok(())
            }
        }
    }

    fn select(
        &mut self,
        selector: &Selector,
        value: &'v Json,
        found: &mut Vec<&'v Json>,
    ) -> Result<(), Unsearchable> {
        self.step()?;
        match selector {
            Selector::Name(name) => {
                found.extend(value.member(bare(name)));
            }
            Selector::Index(index) => found.extend(at(value, *index)),
            Selector::Wildcard => {
                for child in value.children() {
                    self.step()?;
                    found.push(child);
                }
            }
            Selector::Slice(start, end, step) => {
                for child in slice(value, *start, *end, *step) {
                    self.step()?;
                    found.push(child);
                }
            }
            Selector::Filter(filter) => {
                for child in value.children() {
                    self.step()?;
                    if self.holds(filter, child)? {
                        found.push(child);
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&mut self, filter: &Filter, value: &'v Json) -> Result<bool, Unsearchable> {
        self.step()?;
        match filter {
            Filter::Or(filters) => {
                for filter in filters {
                    if self.holds(filter, value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::And(filters) => {
                for filter in filters {
                    if !self.holds(filter, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Atom(FilterAtom::Filter { expr, not }) => Ok(self.holds(expr, value)? != *not),
            Filter::Atom(FilterAtom::Test { expr, not }) => {
                let found = match expr.as_ref() {
                    Test::RelQuery(segments) => self.segments(segments, value)?,
                    Test::AbsQuery(query) => self.segments(&query.segments, self.root)?,
                    Test::Function(_) => return Err(Unsearchable::Unreadable),
                };
                Ok(found.is_empty() == *not)
            }
            Filter::Atom(FilterAtom::Comparison(comparison)) => {
                let (left, right) = comparison.vals();
                let (left, right) = (self.operand(left, value)?, self.operand(right, value)?);
                Ok(compare(comparison, left.as_ref(), right.as_ref()))
            }
        }
    }

    fn operand(&self, operand: &Comparable, value: &'v Json) -> Result<Option<Json>, Unsearchable> {
        let (mut place, way) = match operand {
            Comparable::Literal(literal) => {
                return Ok(Some(match literal {
                    Literal::Int(number) => Json::Number((*number).into()),
                    Literal::Float(number) => {
                        Number::from_f64(*number).map_or(Json::Null, Json::Number)
                    }
                    Literal::String(text) => Json::Text(bare(text).into()),
                    Literal::Bool(truth) => Json::Truth(*truth),
                    Literal::Null => Json::Null,
                }));
            }
            Comparable::Function(_) => return Err(Unsearchable::Unreadable),
            Comparable::SingularQuery(SingularQuery::Current(way)) => (value, way),
            Comparable::SingularQuery(SingularQuery::Root(way)) => (self.root, way),
        };
        for segment in way {
            let next = match segment {
                SingularQuerySegment::Index(index) => at(place, *index),
                SingularQuerySegment::Name(name) => place.member(bare(name)),
            };
            match next {
                Some(next) => place = next,
                None => return Ok(None),
            }
        }
        // what is large is not compared: that would cost its size each time
        Ok(Some(match place {
            Json::List(_) | Json::Object(_) => Json::List(Box::default()),
            small => small.clone(),
        }))
    }
}

/// The parser leaves the quotes on names in brackets and on texts.
fn bare(name: &str) -> &str {
    let quoted = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    quoted('\'').or_else(|| quoted('"')).unwrap_or(name)
}

/// Negative indexes count from the end (RFC 9535 section 2.3.3).
fn at(value: &Json, index: i64) -> Option<&Json> {
    let items = value.items();
    let index = if index < 0 {
        i64::try_from(items.len()).ok()?.checked_add(index)?
    } else {
        index
    };
    items.get(usize::try_from(index).ok()?)
}

/// RFC 9535 section 2.3.4.2.2.
fn slice(
    value: &Json,
    start: Option<i64>,
    end: Option<i64>,
    step: Option<i64>,
) -> impl Iterator<Item = &Json> {
    let items = value.items();
    let length = items.len() as i64;
    let step = step.unwrap_or(1);
    let placed = |bound: i64| {
        if bound < 0 {
            bound.saturating_add(length)
        } else {
            bound
        }
    };
    let (mut next, stop) = if step >= 0 {
        (
            placed(start.unwrap_or(0)).clamp(0, length),
            placed(end.unwrap_or(length)).clamp(0, length),
        )
    } else {
        (
            placed(start.unwrap_or(length - 1)).clamp(-1, length - 1),
            end.map_or(-1, |end| placed(end).clamp(-1, length - 1)),
        )
    };
    std::iter::from_fn(move || {
        let goes_on = (step > 0 && next < stop) || (step < 0 && next > stop);
        let item = goes_on.then(|| items.get(usize::try_from(next).ok()?))?;
        next = next.saturating_add(step);
        item
    })
}

/// RFC 9535 section 2.3.5.2.2: nothing equals nothing; only numbers, and only texts, have an order. Lists and objects equal nothing here.
fn compare(comparison: &Comparison, left: Option<&Json>, right: Option<&Json>) -> bool {
    let equal = match (left, right) {
        (Some(Json::Number(left)), Some(Json::Number(right))) => same(left, right),
        (Some(Json::List(_)), _) | (_, Some(Json::List(_))) => false,
        (left, right) => left == right,
    };
    let less = |left: Option<&Json>, right: Option<&Json>| match (left, right) {
        (Some(Json::Number(left)), Some(Json::Number(right))) => left.as_f64() < right.as_f64(),
        (Some(Json::Text(left)), Some(Json::Text(right))) => left < right,
        _ => false,
    };
    match comparison {
        Comparison::Eq(..) => equal,
        Comparison::Ne(..) => !equal,
        Comparison::Lt(..) => less(left, right),
        Comparison::Lte(..) => less(left, right) || equal,
        Comparison::Gt(..) => less(right, left),
        Comparison::Gte(..) => less(right, left) || equal,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Json {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    fn found(path: &str, value: &Value) -> Value {
        let path = JsonPath::new(path).unwrap();
        let json = read(value);
        serde_json::to_value(find(&path, &json, 10_000).unwrap()).unwrap()
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
            ("$.parts[?@.tags == @.none].name", json!(["mail", "web"])),
            ("$.parts[?@.ms == null].name", json!(["web"])),
            (
                "$.parts[?(@.name=='db' || @.name=='web')].state",
                json!(["up", "up"]),
            ),
        ] {
            assert_eq!(found(path, &shop), expected, "{path}");
        }
        assert_eq!(found("$", &shop), json!([shop]));
    }

    /// What a megabyte of JSON can be at worst: long keys, and as many values as fit.
    #[test]
    fn a_search_is_bounded_whatever_the_json() {
        let long = "k".repeat(500_000);
        let value = read(&json!({ long: vec![1; 250_000] }));
        let search = |path: &str, json| {
            let path = JsonPath::new(path).unwrap();
            find(&path, json, 1024 * 1024).map(|found| found.len())
        };
        let began = Instant::now();
        for path in ["$.*[*]", "$..*", "$[*][?@ == 1]", "$..[?@ > 0]"] {
            assert!(
                matches!(search(path, &value), Ok(250_000 | 250_001)),
                "{path}"
            );
        }
        let deep = (0..100).fold(json!(vec![1; 2000]), |deep, _| json!([deep]));
        let deep = read(&deep);
        assert_eq!(search("$..*..*..*..*", &deep), Err(Unsearchable::TooMuch));
        let nested = "$[*][?$[*][?$[*][?$.x]]]";
        assert_eq!(search(nested, &value), Err(Unsearchable::TooMuch));
        // it would take years without the bound
        assert!(began.elapsed().as_secs() < 120, "{:?}", began.elapsed());
    }
}
