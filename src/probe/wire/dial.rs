//! From a host to a connection: its addresses, and the first of them that takes it, both timed.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connect;
use super::failure::Fault;
use super::timeline::{Deadline, Phase, Timeline};
use crate::model::{Family, Host};
use crate::probe::resolve::{Addresses, Resolver};

/// The addresses of `host`, never none. An address is taken as it is, and no time is counted for it.
pub async fn resolve(
    resolver: &Resolver,
    host: &Host,
    family: Family,
    deadline: Deadline,
    timeline: &mut Timeline,
) -> Result<Addresses, Fault> {
    let began = Instant::now();
    let addresses = resolver
        .resolve(host.as_str(), family, deadline.at())
        .await
        .map_err(|error| Fault(error.verdict()))?;
    // the scope of an address is looked up too, but asks nobody
    let is_name = host.address().is_none() && !host.as_str().contains('%');
    if is_name {
        timeline.add(Phase::Dns, began.elapsed());
    }
    timeline.resolved_ip = addresses.first().map(SocketAddr::ip);
    Ok(addresses)
}

/// A connection to one of `addresses` on `port`.
pub async fn connect(
    addresses: &[SocketAddr],
    port: u16,
    deadline: Deadline,
    timeline: &mut Timeline,
) -> Result<TcpStream, Fault> {
    let began = Instant::now();
    let stuck = || match addresses {
        [only] => format!("connecting to {}", at(*only, port)),
        _ => format!("connecting to port {port}"),
    };
    let connecting = connect::to_any(addresses, port);
    let (tcp, address) = deadline.bound(stuck, connecting).await??;
    timeline.resolved_ip = Some(address.ip());
    timeline.add(Phase::Connect, began.elapsed());
    Ok(tcp)
}

fn at(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// The host as a certificate has it: without the scope of an address, and a name as it is looked up (RFC 5890 section 2.3.2.1).
pub fn certified(host: &str) -> String {
    let bare = host.split_once('%').map_or(host, |(address, _)| address);
    match url::Host::parse(bare) {
        Ok(url::Host::Domain(ascii)) if !bare.is_ascii() => ascii,
        _ => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_put_as_certificates_have_them() {
        for (host, expected) in [
            ("Mail.example.com", "Mail.example.com"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("fe80::1%eth0", "fe80::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(certified(host), expected);
        }
    }
}
