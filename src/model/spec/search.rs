//! What is found at a path into JSON.
//!
//! The search of `jsonpath-rust` writes out the way to every value that it passes, which JSON with one long key and many values turns into
//! gigabytes. This one keeps references alone, and counts its steps. RFC 9535 says what is found; objects are in the order of their keys.

use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, Literal, Segment, Selector, SingularQuery,
    SingularQuerySegment, Test,
};
use serde_json::Value;

use super::path::Unsearchable;

/// How many values a search may pass: several times what a body of the largest size holds.
pub(super) const STEPS: usize = 4_000_000;

/// One search, with what is left of its steps.
pub(super) struct Search<'v> {
    root: &'v Value,
    left: usize,
}

impl<'v> Search<'v> {
    pub(super) fn new(root: &'v Value) -> Self {
        Self { root, left: STEPS }
    }

    fn step(&mut self) -> Result<(), Unsearchable> {
        self.left = self.left.checked_sub(1).ok_or(Unsearchable::TooMuch)?;
        Ok(())
    }

    pub(super) fn segments(
        &mut self,
        segments: &[Segment],
        from: &'v Value,
    ) -> Result<Vec<&'v Value>, Unsearchable> {
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
        value: &'v Value,
        found: &mut Vec<&'v Value>,
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
                for child in children(value) {
                    self.segment(segment, child, found)?;
                }
                Ok(())
            }
        }
    }

    fn select(
        &mut self,
        selector: &Selector,
        value: &'v Value,
        found: &mut Vec<&'v Value>,
    ) -> Result<(), Unsearchable> {
        self.step()?;
        match selector {
            Selector::Name(name) => {
                found.extend(value.as_object().and_then(|object| object.get(bare(name))));
            }
            Selector::Index(index) => found.extend(at(value, *index)),
            Selector::Wildcard => {
                for child in children(value) {
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
                for child in children(value) {
                    self.step()?;
                    if self.holds(filter, child)? {
                        found.push(child);
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&mut self, filter: &Filter, value: &'v Value) -> Result<bool, Unsearchable> {
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

    fn operand(
        &self,
        operand: &Comparable,
        value: &'v Value,
    ) -> Result<Option<Value>, Unsearchable> {
        let (mut place, way) = match operand {
            Comparable::Literal(literal) => {
                return Ok(Some(match literal {
                    Literal::Int(number) => (*number).into(),
                    Literal::Float(number) => (*number).into(),
                    Literal::String(text) => bare(text).into(),
                    Literal::Bool(truth) => (*truth).into(),
                    Literal::Null => Value::Null,
                }));
            }
            Comparable::Function(_) => return Err(Unsearchable::Unreadable),
            Comparable::SingularQuery(SingularQuery::Current(way)) => (value, way),
            Comparable::SingularQuery(SingularQuery::Root(way)) => (self.root, way),
        };
        for segment in way {
            let next = match segment {
                SingularQuerySegment::Index(index) => at(place, *index),
                SingularQuerySegment::Name(name) => place.get(bare(name)),
            };
            match next {
                Some(next) => place = next,
                None => return Ok(None),
            }
        }
        // what is large equals no literal, and comparing large values with one another would cost their size each time
        Ok(match place {
            Value::Array(_) | Value::Object(_) => None,
            small => Some(small.clone()),
        })
    }
}

/// The parser leaves the quotes on names in brackets and on texts.
fn bare(name: &str) -> &str {
    let quoted = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    quoted('\'').or_else(|| quoted('"')).unwrap_or(name)
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(object) => Box::new(object.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Negative indexes count from the end (RFC 9535 section 2.3.3).
fn at(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    let index = if index < 0 {
        i64::try_from(items.len()).ok()?.checked_add(index)?
    } else {
        index
    };
    items.get(usize::try_from(index).ok()?)
}

/// RFC 9535 section 2.3.4.2.2.
fn slice(
    value: &Value,
    start: Option<i64>,
    end: Option<i64>,
    step: Option<i64>,
) -> impl Iterator<Item = &Value> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
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

/// RFC 9535 section 2.3.5.2.2: nothing equals nothing; only numbers, and only texts, have an order.
fn compare(comparison: &Comparison, left: Option<&Value>, right: Option<&Value>) -> bool {
    let equal = match (left, right) {
        (Some(left), Some(right)) => same(left, right),
        (left, right) => left.is_none() && right.is_none(),
    };
    let less = |left: Option<&Value>, right: Option<&Value>| match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => left.as_f64() < right.as_f64(),
        (Some(Value::String(left)), Some(Value::String(right))) => left < right,
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

/// Equality of JSON values: `1` and `1.0` are one number, and members have no order.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let other = |key| b.get(key);
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| other(key).is_some_and(|it| same(value, it)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_equal_by_value() {
        assert!(same(&json!(1), &json!(1.0)));
        assert!(same(
            &json!({"a": [1], "b": 2}),
            &json!({"b": 2.0, "a": [1]})
        ));
        assert!(!same(&json!(1), &json!("1")));
        assert!(!same(&json!([1]), &json!([1, 1])));
    }
}
