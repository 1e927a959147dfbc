//! A text that may hold a secret, and the variables that it refers to.
//!
//! `${NAME}` stands for the value of a variable, `$${` for `${` itself; any other `$` is itself. What is kept, compared and stored is the
//! text as written, never a value. Prints `***` whatever it holds. Leaves out where values come from.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// A text that prints `***`, as written: with its references to variables.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(SecretString);

/// A reference that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    #[error("a `${{` is not closed")]
    Open,
    #[error("what stands between `${{` and `}}` is no name of a variable")]
    Name,
}

/// A variable that has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {0} is not set")]
pub struct Unset(pub String);

/// A piece of a text.
enum Part<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

impl Secret {
    /// The text as the file has it.
    pub fn new(written: &str) -> Result<Self, BadReference> {
        for part in parts(written) {
            part?;
        }
        Ok(Self(written.into()))
    }

    /// The variables that it refers to, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        parts(self.0.expose_secret()).filter_map(|part| match part {
            Ok(Part::Variable(name)) => Some(name),
            _ => None,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// How many bytes the text has as written.
    pub fn written_length(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// The text with the values of its variables.
    pub fn resolve(
        &self,
        variable: impl Fn(&str) -> Option<SecretString>,
    ) -> Result<SecretString, Unset> {
        let mut whole = String::new();
        for part in parts(self.0.expose_secret()) {
            match part {
                Ok(Part::Literal(text)) => whole.push_str(text),
                Ok(Part::Variable(name)) => {
                    let value = variable(name).ok_or_else(|| Unset(name.to_owned()))?;
                    whole.push_str(value.expose_secret());
                }
                // only a database that something else wrote to has one
                Err(_) => return Err(Unset(String::new())),
            }
        }
        Ok(whole.into())
    }
}

/// Cuts a text at its references.
fn parts(text: &str) -> impl Iterator<Item = Result<Part<'_>, BadReference>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(after) = rest.strip_prefix("$${") {
            rest = after;
            return Some(Ok(Part::Literal("${")));
        }
        if let Some(inside) = rest.strip_prefix("${") {
            let Some((name, after)) = inside.split_once('}') else {
                rest = "";
                return Some(Err(BadReference::Open));
            };
            rest = after;
            let part = is_name(name).then_some(Part::Variable(name));
            return Some(part.ok_or(BadReference::Name));
        }
        let next = |text: &str| text.find("$${").into_iter().chain(text.find("${")).min();
        let (literal, after) = rest.split_at(next(rest).unwrap_or(rest.len()));
        rest = after;
        Some(Ok(Part::Literal(literal)))
    })
}

/// What shells take for a name (POSIX.1-2017 section 3.235).
fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_word) && !name.as_bytes()[0].is_ascii_digit()
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Secret {}

/// For the database alone, which keeps specs as they are written.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("***")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(written: &str) -> String {
        let value = |name: &str| (name != "NONE").then(|| format!("<{name}>").into());
        let secret = Secret::new(written).unwrap().resolve(value);
        secret.map_or_else(
            |unset| unset.to_string(),
            |text| text.expose_secret().to_owned(),
        )
    }

    #[test]
    fn references_become_values() {
        for (written, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("Bearer ${TOKEN}", "Bearer <TOKEN>"),
            ("${A}${_b2}c", "<A><_b2>c"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$ $A $$ 5$", "$ $A $$ 5$"),
            ("é${A}é", "é<A>é"),
            ("${A} ${NONE}", "the variable NONE is not set"),
        ] {
            assert_eq!(resolved(written), expected, "{written}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for (written, error) in [
            ("${", BadReference::Open),
            ("a ${B", BadReference::Open),
            ("${}", BadReference::Name),
            ("${1A}", BadReference::Name),
            ("${A-b}", BadReference::Name),
            ("${A:-b}", BadReference::Name),
            ("${é}", BadReference::Name),
        ] {
            assert_eq!(Secret::new(written).unwrap_err(), error, "{written}");
        }
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let secret = Secret::new("hunter2 ${TOKEN}").unwrap();
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
        assert_eq!(secret.variables().collect::<Vec<_>>(), ["TOKEN"]);
        let stored = serde_json::to_string(&secret).unwrap();
        assert_eq!(stored, "\"hunter2 ${TOKEN}\"");
        assert_eq!(serde_json::from_str::<Secret>(&stored).unwrap(), secret);
    }

    proptest! {
        #[test]
        fn a_text_without_dollars_is_itself(text in "[^$]*") {
            prop_assert_eq!(resolved(&text), text);
        }

        #[test]
        fn any_text_is_cut_without_a_panic(text in any::<String>(), dollars in "[${}A]*") {
            let _ = Secret::new(&text);
            let _ = Secret::new(&dollars);
        }
    }
}
