//! The versions of HTTP, as results tell them.

use serde::{Deserialize, Serialize};

/// The version of HTTP that a server answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HttpVersion {
    #[serde(rename = "1.0")]
    OneZero,
    #[serde(rename = "1.1")]
    One,
    #[serde(rename = "2")]
    Two,
}

impl HttpVersion {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneZero => "1.0",
            Self::One => "1.1",
            Self::Two => "2",
        }
    }
}
