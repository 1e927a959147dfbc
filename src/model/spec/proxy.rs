//! A proxy, as a URL names it.
//!
//! Promises that its password is in nothing that is shown: [`fmt::Display`] and [`fmt::Debug`] leave the credentials out. Only what is
//! stored and what is sent to the proxy holds them.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Host;

/// Whom to ask for a connection, and how.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxy {
    pub scheme: ProxyScheme,
    pub host: Host,
    pub port: u16,
    pub credentials: Option<Login>,
    written: String,
}

/// What is spoken with a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyScheme {
    /// CONNECT (RFC 9110 section 9.3.6), and for targets without TLS requests in absolute form (RFC 9112 section 3.2.2).
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS 5 (RFC 1928), told addresses that were resolved here.
    Socks5,
    /// SOCKS 5, told names that the proxy resolves.
    Socks5h,
}

/// A name and a password, as they are sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: Vec<u8>,
    pub password: Vec<u8>,
}

/// Why a text names no proxy. Never quotes it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    #[error("a proxy is written like http://proxy.example:3128 or socks5://127.0.0.1:1080")]
    Form,
    #[error("a proxy is spoken to by http, https, socks5 or socks5h")]
    Scheme,
    #[error("a proxy needs a port, like http://proxy.example:3128")]
    Port,
    #[error("a proxy has no path, query or fragment")]
    Path,
    #[error("SOCKS takes a name and a password of 1 to 255 bytes each (RFC 1929)")]
    Credentials,
}

impl ProxyScheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    pub const fn is_socks(self) -> bool {
        matches!(self, Self::Socks5 | Self::Socks5h)
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(written: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = written.split_once("://").ok_or(InvalidProxy::Form)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyScheme::Http,
            "https" => ProxyScheme::Https,
            "socks5" => ProxyScheme::Socks5,
            "socks5h" => ProxyScheme::Socks5h,
            _ => return Err(InvalidProxy::Scheme),
        };
        if written.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidProxy::Form);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        // by the rules of the web whatever the scheme is, so that hosts are read alike
        let url = Url::parse(&format!("ws://{authority}")).map_err(|_| InvalidProxy::Form)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidProxy::Path);
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidProxy::Form)?;
        let has_port = authority
            .rsplit(['@', ']'])
            .next()
            .is_some_and(|end| end.contains(':'));
        let port = url.port_or_known_default().filter(|port| *port > 0);
        let port = port.filter(|_| has_port).ok_or(InvalidProxy::Port)?;
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let decoded = |text: &str| percent_decode_str(text).collect();
            Login {
                user: decoded(url.username()),
                password: decoded(url.password().unwrap_or_default()),
            }
        });
        if let Some(Login { user, password }) = &credentials
            && scheme.is_socks()
            && ![user, password]
                .iter()
                .all(|it| (1..=255).contains(&it.len()))
        {
            return Err(InvalidProxy::Credentials);
        }
        Ok(Self {
            scheme,
            host: host.trim_matches(['[', ']']).into(),
            port,
            credentials,
            written: written.to_owned(),
        })
    }
}

impl TryFrom<String> for Proxy {
    type Error = InvalidProxy;

    fn try_from(written: String) -> Result<Self, InvalidProxy> {
        written.parse()
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        proxy.written
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (self.scheme.as_str(), self.host.as_str(), self.port);
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_shown_without_their_credentials() {
        for (written, shown, user) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("HTTP://proxy:80/", "http://proxy:80", None),
            ("https://proxy:443", "https://proxy:443", None),
            ("socks5://[::1]:1080", "socks5://[::1]:1080", None),
            (
                "socks5h://user:secret@127.0.0.1:9050",
                "socks5h://127.0.0.1:9050",
                Some("user"),
            ),
            (
                "http://us%40er:secret@proxy:1",
                "http://proxy:1",
                Some("us@er"),
            ),
        ] {
            let proxy: Proxy = written.parse().expect(written);
            assert_eq!(proxy.to_string(), shown);
            assert!(!format!("{proxy:?}").contains("secret"));
            let credentials = proxy.credentials.clone();
            assert_eq!(
                credentials.map(|it| String::from_utf8(it.user).unwrap()),
                user.map(str::to_owned)
            );
            assert_eq!(String::from(proxy), written);
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        let long = format!("socks5://u:{}@h:1", "p".repeat(256));
        for (written, expected) in [
            ("", InvalidProxy::Form),
            ("proxy:3128", InvalidProxy::Form),
            ("http://", InvalidProxy::Form),
            ("http://u:secret@", InvalidProxy::Form),
            ("http://a b:1", InvalidProxy::Form),
            ("ftp://u:secret@proxy:21", InvalidProxy::Scheme),
            ("socks4://proxy:1080", InvalidProxy::Scheme),
            ("http://proxy", InvalidProxy::Port),
            ("http://u:secret@proxy", InvalidProxy::Port),
            ("socks5://[::1]", InvalidProxy::Port),
            ("http://proxy:0", InvalidProxy::Port),
            ("http://proxy:1/path", InvalidProxy::Path),
            ("http://proxy:1?x", InvalidProxy::Path),
            ("socks5://user@h:1", InvalidProxy::Credentials),
            (long.as_str(), InvalidProxy::Credentials),
        ] {
            let error = written.parse::<Proxy>().expect_err(written);
            assert_eq!(error, expected, "{written}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
