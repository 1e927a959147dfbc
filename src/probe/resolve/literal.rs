//! Hosts that are addresses already: `192.0.2.1`, `2001:db8::1`, `[::1]`, `fe80::1%eth0`.
//!
//! A scope is kept as the interface's index, so the address comes back as a `SocketAddr` with port 0.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use super::ResolveError;

/// The address that `host` spells, or nothing when it is a name.
pub(super) fn parse(host: &str) -> Option<Result<SocketAddr, ResolveError>> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = inner.parse::<IpAddr>() {
        return Some(Ok(SocketAddr::new(address, 0)));
    }
    let (address, zone) = inner.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    Some(match index(zone) {
        Some(scope) => Ok(SocketAddrV6::new(address, 0, 0, scope).into()),
        None => Err(ResolveError::local(
            host,
            format_args!("no interface {zone} here"),
        )),
    })
}

/// A zone is an interface's index or its name (RFC 4007 section 11.2).
fn index(zone: &str) -> Option<u32> {
    if let Ok(index) = zone.parse() {
        return Some(index);
    }
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))
        .or_else(|_| UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)))
        .ok()?;
    rustix::net::netdevice::name_to_index(&socket, zone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_they_are() {
        for (host, expected) in [
            ("192.0.2.1", "192.0.2.1:0"),
            ("::1", "[::1]:0"),
            ("[2001:db8::1]", "[2001:db8::1]:0"),
            ("fe80::1%7", "[fe80::1%7]:0"),
            ("[fe80::1%7]", "[fe80::1%7]:0"),
        ] {
            let expected: SocketAddr = expected.parse().unwrap();
            assert_eq!(parse(host), Some(Ok(expected)), "{host}");
        }
    }

    #[test]
    fn names_are_no_addresses() {
        for host in ["localhost", "1.2.3", "1.2.3.4.5", "[router]", "a%b", ""] {
            assert_eq!(parse(host), None, "{host}");
        }
    }

    #[test]
    fn a_scope_may_be_an_interface_s_name() {
        let loopback = parse("fe80::1%lo").unwrap().unwrap();
        let SocketAddr::V6(address) = loopback else {
            panic!("{loopback} has no scope")
        };
        assert_ne!(address.scope_id(), 0);
    }

    #[test]
    fn a_missing_interface_is_the_prober_s_fault() {
        let error = parse("fe80::1%nosuch0").unwrap().unwrap_err();
        assert!(matches!(error, ResolveError::Local { .. }), "{error:?}");
        assert!(error.to_string().contains("no interface nosuch0"));
    }
}
