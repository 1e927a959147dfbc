//! A body as JSON, small.
//!
//! `serde_json`'s own tree takes 600 bytes for an object of one member: a megabyte of `{"a":1}` became a hundred. Here it is fourteen.
//! Nesting is bounded by the parser, at 128.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Number, Value};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Truth(bool),
    Number(Number),
    Text(Box<str>),
    List(Box<[Json]>),
    /// In the order of the names, each once.
    Object(Box<[(Box<str>, Json)]>),
}

const _: () = assert!(size_of::<Json>() <= 24);

impl Json {
    /// The member of an object.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let at = members.binary_search_by(|(own, _)| (**own).cmp(name));
        at.ok().map(|at| &members[at].1)
    }

    /// The items of a list; of anything else none.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// What it is made of.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        let members = match self {
            Self::Object(members) => &members[..],
            _ => &[],
        };
        let members = members.iter().map(|(_, value)| value);
        self.items().iter().chain(members)
    }

    /// Whether it is `value`: `1` and `1.0` are one number, and members have no order.
    pub(super) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Truth(own), Value::Bool(other)) => own == other,
            (Self::Number(own), Value::Number(other)) => same(own, other),
            (Self::Text(own), Value::String(other)) => **own == **other,
            (Self::List(own), Value::Array(other)) => {
                own.len() == other.len() && own.iter().zip(other).all(|(own, other)| own.is(other))
            }
            (Self::Object(own), Value::Object(other)) => {
                let matches = |name: &str, own: &Self| other.get(name).is_some_and(|it| own.is(it));
                own.len() == other.len() && own.iter().all(|(name, own)| matches(name, own))
            }
            _ => false,
        }
    }
}

/// Numbers are equal by value.
pub(super) fn same(one: &Number, other: &Number) -> bool {
    one == other || one.as_f64() == other.as_f64()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Truth(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items.into()))
    }

    /// Of members of one name the last one counts.
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members: Vec<(Box<str>, Json)> = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        // stable, so that the last one of a name is the first one of the reverse
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(later, _), (kept, _)| later == kept);
        Ok(Json::Object(members.into()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    object.serialize_entry(name, value)?;
                }
                object.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_equal_by_value_and_members_have_no_order() {
        assert!(read("1").is(&json!(1.0)) && read("1e0").is(&json!(1)));
        assert!(read(r#"{"b": 2, "a": [1]}"#).is(&json!({"a": [1], "b": 2.0})));
        for (text, value) in [
            ("1", json!("1")),
            ("[1]", json!([1, 1])),
            (r#"{"a": 1}"#, json!({"a": 1, "b": 1})),
            (r#"{"a": 1}"#, json!({"b": 1})),
            ("null", json!(false)),
        ] {
            assert!(!read(text).is(&value), "{text}");
        }
    }

    #[test]
    fn of_members_of_one_name_the_last_counts() {
        let object = read(r#"{"b": 1, "a": 1, "a": 2, "a": 3}"#);
        assert!(object.is(&json!({"a": 3, "b": 1})));
        assert!(object.member("a").unwrap().is(&json!(3)));
        assert_eq!(object.member("c"), None);
    }

    proptest! {
        #[test]
        fn any_json_is_what_the_library_reads(text in r#"[\[\]{}",:0-9a-c\\.e -]{0,40}"#) {
            let ours = serde_json::from_str::<Json>(&text);
            match (ours, serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => {
                    prop_assert!(ours.is(&theirs));
                    let written = serde_json::to_string(&ours).unwrap();
                    prop_assert!(ours.is(&serde_json::from_str::<Value>(&written).unwrap()));
                }
                (Err(ours), Err(theirs)) => prop_assert_eq!(ours.to_string(), theirs.to_string()),
                (ours, theirs) => prop_assert!(false, "{ours:?} {theirs:?}"),
            }
        }
    }
}
