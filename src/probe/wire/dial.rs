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
