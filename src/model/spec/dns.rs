//! One question to a name server.

use serde::{Deserialize, Serialize};

use super::{Family, Host};

/// One question to a name server, and the answer that is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSpec {
    /// Whom to ask; none asks the first name server of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Host>,
    /// None is the transport's own: 53, or 853 for TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Which addresses of the server's name may be asked.
    #[serde(default, skip_serializing_if = "Family::is_any")]
    pub ip: Family,
    /// The name that is asked for, complete: no search list is appended.
    pub query: String,
    #[serde(default)]
    pub record: Record,
    /// None: at least one record of the type, where `expect_rcode` is `NOERROR`. Otherwise each of these must be among the answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_answers: Option<Vec<String>>,
    #[serde(default)]
    pub expect_rcode: Rcode,
    #[serde(default)]
    pub transport: Transport,
    /// The name that the server's certificate must be for; none is the server as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl DnsSpec {
    /// The first name server of this machine is asked for an address.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            server: None,
            port: None,
            ip: Family::Any,
            query: query.into(),
            record: Record::A,
            expect_answers: None,
            expect_rcode: Rcode::NoError,
            transport: Transport::Udp,
            server_name: None,
        }
    }

    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.transport.port())
    }
}

/// How a question travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// And over TCP where the answer was truncated (RFC 1035 section 4.2).
    #[default]
    Udp,
    Tcp,
    /// RFC 7858.
    Tls,
}

impl Transport {
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    pub const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 53,
            Self::Tls => 853,
        }
    }
}

/// What kind of record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Record {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Txt,
    Soa,
    Srv,
    Ptr,
    Caa,
}

impl Record {
    pub const ALL: [Self; 10] = [
        Self::A,
        Self::Aaaa,
        Self::Cname,
        Self::Mx,
        Self::Ns,
        Self::Txt,
        Self::Soa,
        Self::Srv,
        Self::Ptr,
        Self::Caa,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Txt => "TXT",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Ptr => "PTR",
            Self::Caa => "CAA",
        }
    }
}

/// What a name server says of a question (RFC 1035 section 4.1.1, RFC 2136 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rcode {
    #[default]
    NoError,
    FormErr,
    ServFail,
    NxDomain,
    NotImp,
    Refused,
    YxDomain,
    YxRrSet,
    NxRrSet,
    NotAuth,
    NotZone,
}

impl Rcode {
    /// Each at the place of its number.
    pub const ALL: [Self; 11] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::YxDomain,
        Self::YxRrSet,
        Self::NxRrSet,
        Self::NotAuth,
        Self::NotZone,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::YxDomain => "YXDOMAIN",
            Self::YxRrSet => "YXRRSET",
            Self::NxRrSet => "NXRRSET",
            Self::NotAuth => "NOTAUTH",
            Self::NotZone => "NOTZONE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stored_as_they_are_written() {
        let stored = |value: &dyn erased::Json| value.json();
        for record in Record::ALL {
            assert_eq!(stored(&record), record.as_str());
        }
        for rcode in Rcode::ALL {
            assert_eq!(stored(&rcode), rcode.as_str());
        }
        for transport in Transport::ALL {
            assert_eq!(stored(&transport), transport.as_str());
        }
    }

    mod erased {
        pub trait Json {
            fn json(&self) -> String;
        }

        impl<T: serde::Serialize> Json for T {
            fn json(&self) -> String {
                let json = serde_json::to_value(self).unwrap();
                json.as_str().unwrap().to_owned()
            }
        }
    }
}
