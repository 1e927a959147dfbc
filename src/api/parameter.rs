//! What each query parameter takes, as the description of the API says it: once for all routes, beside [`query`](super::query), which
//! reads them.
//!
//! Exact, so that a request that follows the description is answered and one that does not is refused; a test asks the parser. What no
//! schema can say is in words: that `since` is not after `until`, and that a cursor is one that a page gave.

use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use super::{cursor, query, selection};
use crate::model::{Kind, Window};

/// Gives every query parameter of an operation its schema.
pub fn describe(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        if !matches!(parameter.parameter_in, ParameterIn::Query) {
            continue;
        }
        if let Some(schema) = schema(&parameter.name) {
            parameter.schema = Some(schema.into());
        }
    }
}

/// Nothing for one that takes any text.
fn schema(name: &str) -> Option<Object> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let schema = match name {
        "since" | "until" => text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-02-23T01:53:52Z"]),
        // what is above the most counts as the most
        "limit" | "points" | "weeks" | "days" => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1)),
        "beats" => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(query::MAX_BEATS as u64))
            .examples([60]),
        "open" => ObjectBuilder::new().schema_type(Type::Boolean),
        "window" => text().pattern(Some(windows())).examples(["1h"]),
        "status" => text().enum_values(Some(query::STATUSES)).examples(["all"]),
        "type" => text().enum_values(Some(Kind::ALL.map(Kind::as_str))),
        "outcome" => text().enum_values(Some(selection::OUTCOMES)),
        "sort" => text().enum_values(Some(orders())).examples(["-latency"]),
        "cursor" => text().pattern(Some(cursor::shape())),
        "tz" => text()
            .enum_values(Some(query::zones().collect::<Vec<_>>()))
            .examples(["Europe/Berlin"]),
        _ => return None,
    };
    Some(schema.build())
}

fn orders() -> Vec<String> {
    let ways = |field: &str| [field.to_owned(), format!("-{field}")];
    selection::FIELDS.into_iter().flat_map(ways).collect()
}

/// A regular expression of what [`Window`] takes.
fn windows() -> String {
    let units = [
        ('s', 1),
        ('m', 60),
        ('h', 3_600),
        ('d', 86_400),
        ('w', 604_800),
    ];
    let most = Window::MAX.as_secs();
    let units = units.map(|(unit, seconds)| format!("({}){unit}", up_to(most / seconds)));
    format!("^0*({})$", units.join("|"))
}

/// A regular expression of the whole numbers from 1 to `most`, without leading zeros.
fn up_to(most: u64) -> String {
    let digits = most.to_string();
    let mut ways: Vec<String> = (1..digits.len())
        .map(|length| format!("[1-9][0-9]{{{}}}", length - 1))
        .collect();
    // those of as many digits: alike up to a place, smaller there, and anything after it
    for (place, digit) in digits.bytes().enumerate() {
        let lowest = if place == 0 { b'1' } else { b'0' };
        if digit > lowest {
            let (alike, after) = (&digits[..place], digits.len() - place - 1);
            let (low, high) = (char::from(lowest), char::from(digit - 1));
            ways.push(format!("{alike}[{low}-{high}][0-9]{{{after}}}"));
        }
    }
    ways.push(digits);
    ways.join("|")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn the_longest_windows_are_within_the_pattern_and_longer_ones_are_not() {
        let pattern = Regex::new(&windows()).unwrap();
        for unit in ["s", "m", "h", "d", "w"] {
            for number in [
                0, 1, 9, 10, 56, 57, 58, 399, 400, 401, 9_600, 9_601, 576_000, 576_001, 34_559_999,
                34_560_000, 34_560_001,
            ] {
                let window = format!("{number}{unit}");
                assert_eq!(
                    pattern.is_match(&window),
                    window.parse::<Window>().is_ok(),
                    "{window}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn the_pattern_of_windows_is_what_they_are(window in "[0-9]{0,12}[smhdwSx]?") {
            let pattern = Regex::new(&windows()).unwrap();
            prop_assert_eq!(pattern.is_match(&window), window.parse::<Window>().is_ok());
        }

        #[test]
        fn numbers_up_to_one_are_told_from_others(most in 1_u64..100_000, number in 0_u64..200_000) {
            let pattern = Regex::new(&format!("^({})$", up_to(most))).unwrap();
            prop_assert_eq!(pattern.is_match(&number.to_string()), (1..=most).contains(&number));
        }
    }
}
