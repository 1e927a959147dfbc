//! What the answer of an HTTP server must be like for its target to be up.
//!
//! Patterns and paths are kept as written and made ready when they are needed: processes that only read specs never do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::JsonPath;
use super::pattern::Pattern;

/// What the answer must be like. What is not said is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// None is 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Statuses>,
    /// Found somewhere in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Pattern>,
    /// Found in one of the headers of that name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
    /// Every value at the path is this one, and there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonMatch>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderMatch {
    pub name: String,
    pub pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonMatch {
    pub path: JsonPath,
    pub value: serde_json::Value,
}

/// Ranges of status codes, the first and the last of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Statuses(Vec<(u16, u16)>);

impl Expect {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the body has to be kept for it.
    pub const fn needs_body(&self) -> bool {
        self.body.is_some() || !self.json.is_empty()
    }
}

impl Statuses {
    /// RFC 9110 section 15: three digits, the first of them 1 to 5; servers send others too.
    pub const LEAST: u16 = 100;
    pub const MOST: u16 = 999;

    pub fn new(ranges: Vec<(u16, u16)>) -> Self {
        Self(ranges)
    }

    pub fn any() -> Self {
        Self(vec![(Self::LEAST, Self::MOST)])
    }

    /// 200 to 399: redirects were followed, so a 3xx at the end had nowhere to go, is no redirect, or was not to be followed.
    pub fn usual() -> Self {
        Self(vec![(200, 399)])
    }

    pub fn include(&self, status: u16) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// `200 to 399`; `200, 204 or 300 to 399`.
impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            f.write_str(match at {
                0 => "",
                _ if at + 1 == self.0.len() => " or ",
                _ => ", ",
            })?;
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first} to {last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_spoken_plainly() {
        for (ranges, text) in [
            (vec![(200, 399)], "200 to 399"),
            (vec![(204, 204)], "204"),
            (
                vec![(200, 200), (204, 204), (300, 399)],
                "200, 204 or 300 to 399",
            ),
        ] {
            assert_eq!(Statuses::new(ranges).to_string(), text);
        }
        assert!(Statuses::any().include(100) && Statuses::any().include(999));
        assert!(!Statuses::usual().include(400) && !Statuses::usual().include(199));
    }

    #[test]
    fn what_is_stored_comes_back() {
        let expect = Expect {
            status: Some(Statuses::new(vec![(200, 204)])),
            body: Some(Pattern::new("^ok$").unwrap()),
            headers: vec![HeaderMatch {
                name: "Server".to_owned(),
                pattern: Pattern::new("nginx").unwrap(),
            }],
            json: vec![JsonMatch {
                path: JsonPath::new("$.a").unwrap(),
                value: serde_json::json!([1, "x", null]),
            }],
        };
        let stored = serde_json::to_string(&expect).unwrap();
        assert_eq!(
            stored,
            r#"{"status":[[200,204]],"body":"^ok$","headers":[{"name":"Server","pattern":"nginx"}],"json":[{"path":"$.a","value":[1,"x",null]}]}"#
        );
        let back: Expect = serde_json::from_str(&stored).unwrap();
        assert_eq!(back, expect);
        assert!(back.body.unwrap().is_found_in(b"ok"));
    }
}
