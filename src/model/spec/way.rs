//! How a probe over TCP reaches its target: by which addresses, whose name server, through which proxy, on what terms of TLS.
//!
//! What is asked on the connection is no part of it. Files are named here and read by the probe: a spec is stored, and a private key
//! must not be. Leaves out what the values may be (`config`).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Family, Proxy, is_false};

/// How a probe over TCP reaches its target. The default is the plain way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Which addresses of a name may be connected to.
    #[serde(default, skip_serializing_if = "Family::is_any")]
    pub ip: Family,
    /// The name server that is asked for this target's names; none asks as this machine does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Which versions of HTTP are offered.
    #[serde(default, skip_serializing_if = "HttpVersions::is_auto")]
    pub http_version: HttpVersions,
    /// The certificate is read, and whatever it says is put up with.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// The name that is asked for in the handshake (RFC 6066 section 3) and looked for in the certificate, instead of the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// A PEM file of authorities that are trusted besides those of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Who we are, for servers that ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientFiles>,
    /// A certificate that is valid for fewer days than this counts as expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_min_days: Option<u16>,
}

/// The PEM files of a client's certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientFiles {
    pub cert: String,
    pub key: String,
}

/// Which versions of HTTP are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HttpVersions {
    /// HTTP/2 and HTTP/1.1, as the server likes; without TLS HTTP/1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "1.1")]
    One,
    /// Without TLS it is spoken without asking first (RFC 9113 section 3.3).
    #[serde(rename = "2")]
    Two,
}

impl HttpVersions {
    pub const fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }
}

impl Way {
    /// The longest that `cert_min_days` may be, in days: ten years.
    pub const MOST_DAYS: u16 = 3650;

    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_way_is_stored_as_nothing_and_every_other_comes_back() {
        assert_eq!(serde_json::to_string(&Way::default()).unwrap(), "{}");
        let way = Way {
            ip: Family::V6,
            resolver: Some("[::1]:53".parse().unwrap()),
            proxy: Some("socks5h://u:p%40@[::1]:1080".parse().unwrap()),
            http_version: HttpVersions::Two,
            insecure: true,
            server_name: Some("a.example".to_owned()),
            ca: Some("ca.pem".to_owned()),
            client: Some(ClientFiles {
                cert: "c.pem".to_owned(),
                key: "k.pem".to_owned(),
            }),
            cert_min_days: Some(30),
        };
        let json = serde_json::to_string(&way).unwrap();
        assert_eq!(serde_json::from_str::<Way>(&json).unwrap(), way, "{json}");
        assert!(!way.is_plain());
    }
}
