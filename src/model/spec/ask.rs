//! What is asked of an HTTP server, beyond its URL.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Secret;

/// The request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// None is GET, or POST where there is a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// In the order of the file, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// The methods of RFC 9110 that ask a resource for something, PATCH (RFC 5789) and PROPFIND (RFC 4918). TRACE would have secrets sent
/// back, CONNECT makes a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Propfind,
}

/// A header of the request. Its name is a token (RFC 9110 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: Secret,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// RFC 7617.
    Basic { username: Secret, password: Secret },
    /// RFC 6750.
    Bearer(Secret),
}

impl Ask {
    pub fn method(&self) -> Method {
        let usual = if self.body.is_some() {
            Method::Post
        } else {
            Method::Get
        };
        self.method.unwrap_or(usual)
    }

    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Everything that may refer to variables.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (first, second) = match &self.credentials {
            Some(Credentials::Basic { username, password }) => (Some(username), Some(password)),
            Some(Credentials::Bearer(token)) => (Some(token), None),
            None => (None, None),
        };
        let headers = self.headers.iter().map(|header| &header.value);
        headers.chain(&self.body).chain(first).chain(second)
    }
}

impl Method {
    pub const ALL: [Self; 8] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Propfind,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Propfind => "PROPFIND",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_and_holds_references_only() {
        let secret = |text: &str| Secret::new(text).unwrap();
        let ask = Ask {
            method: Some(Method::Put),
            headers: vec![Header {
                name: "X-Key".to_owned(),
                value: secret("${KEY}"),
            }],
            body: Some(secret("hello")),
            credentials: Some(Credentials::Basic {
                username: secret("ada"),
                password: secret("${PASSWORD}"),
            }),
        };
        let stored = serde_json::to_string(&ask).unwrap();
        assert_eq!(
            stored,
            r#"{"method":"PUT","headers":[{"name":"X-Key","value":"${KEY}"}],"body":"hello","credentials":{"basic":{"username":"ada","password":"${PASSWORD}"}}}"#
        );
        assert_eq!(serde_json::from_str::<Ask>(&stored).unwrap(), ask);
        assert_eq!(ask.secrets().count(), 4);
        let shown = format!("{ask:?}");
        assert!(
            !["ada", "hello", "KEY}"].iter().any(|it| shown.contains(it)),
            "{shown}"
        );
    }

    #[test]
    fn a_body_alone_is_posted() {
        let mut ask = Ask::default();
        assert_eq!(ask.method(), Method::Get);
        ask.body = Some(Secret::new("x").unwrap());
        assert_eq!(ask.method(), Method::Post);
    }
}
