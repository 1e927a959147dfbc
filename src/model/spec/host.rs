//! Whom a probe talks to: a name or an address, and which addresses of a name will do.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// An address, with a scope where needed (`fe80::1%eth0`), or a name; and what it is, so that no probe has to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Host {
    written: String,
    address: Option<IpAddr>,
}

impl Host {
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The address, where it is one without a scope.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl From<String> for Host {
    fn from(written: String) -> Self {
        let address = written.parse().ok();
        Self { written, address }
    }
}

impl From<&str> for Host {
    fn from(written: &str) -> Self {
        written.to_owned().into()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.written
    }
}

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Family {
    /// Both, the better one first.
    #[default]
    #[serde(rename = "auto")]
    Any,
    #[serde(rename = "4")]
    V4,
    #[serde(rename = "6")]
    V6,
}

impl Family {
    pub const fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    pub const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}
