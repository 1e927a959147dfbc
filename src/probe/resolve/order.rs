//! Which of several addresses comes first.
//!
//! A short form of RFC 6724 section 6: an address without a route goes last (rule 1), one whose source is of another kind than itself
//! goes after those that match (rules 2 and 5), then IPv6 before IPv4. Leaves out the policy table and prefix lengths: what connects
//! races both families anyway, and the order of a server's own list is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Sorts `addresses`, asking the kernel which source it would use for each. Sends nothing.
pub(super) fn sort(addresses: &mut [SocketAddr]) {
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|address| rank(address.ip(), source(*address)));
    }
}

/// The address the kernel would send from; connecting a UDP socket only looks up the route.
fn source(destination: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // any port will do; 0 is refused by some kernels
    socket
        .connect(SocketAddr::new(destination.ip(), 9))
        .or_else(|_| socket.connect(destination))
        .ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn rank(destination: IpAddr, source: Option<IpAddr>) -> (bool, bool, bool) {
    let mismatched = source.is_some_and(|source| kind(source) != kind(destination));
    (source.is_none(), mismatched, destination.is_ipv4())
}

#[derive(PartialEq, Eq)]
enum Kind {
    Loopback,
    LinkLocal,
    /// `fc00::/7`: reaches other such addresses, hardly ever the internet.
    UniqueLocal,
    Global,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => Kind::Loopback,
        IpAddr::V6(v6) if v6.is_loopback() => Kind::Loopback,
        IpAddr::V4(v4) if v4.is_link_local() => Kind::LinkLocal,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Kind::LinkLocal,
        IpAddr::V6(v6) if v6.is_unique_local() => Kind::UniqueLocal,
        _ => Kind::Global,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<'a>(mut pairs: Vec<(&'a str, Option<&'a str>)>) -> Vec<&'a str> {
        pairs.sort_by_key(|(destination, source)| {
            rank(
                destination.parse().unwrap(),
                source.map(|source| source.parse().unwrap()),
            )
        });
        pairs
            .into_iter()
            .map(|(destination, _)| destination)
            .collect()
    }

    #[test]
    fn ipv6_comes_first_where_it_works() {
        assert_eq!(
            sorted(vec![
                ("192.0.2.1", Some("198.51.100.2")),
                ("2001:db8::1", Some("2001:db8::2")),
            ]),
            ["2001:db8::1", "192.0.2.1"]
        );
    }

    #[test]
    fn ipv6_without_a_route_comes_last() {
        assert_eq!(
            sorted(vec![
                ("2001:db8::1", None),
                ("192.0.2.1", Some("198.51.100.2")),
            ]),
            ["192.0.2.1", "2001:db8::1"]
        );
    }

    #[test]
    fn a_unique_local_source_is_no_way_to_the_internet() {
        assert_eq!(
            sorted(vec![
                ("2001:db8::1", Some("fd00::2")),
                ("192.0.2.1", Some("10.0.0.2")),
            ]),
            ["192.0.2.1", "2001:db8::1"]
        );
    }

    #[test]
    fn the_server_s_own_order_is_kept() {
        let mut addresses: Vec<SocketAddr> = ["127.0.0.3:0", "127.0.0.1:0", "127.0.0.2:0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let before = addresses.clone();
        sort(&mut addresses);
        assert_eq!(addresses, before);
    }
}
