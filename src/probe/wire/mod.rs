//! What probes over TCP share: a connection, a TLS handshake and what its certificate says, the times of each step, and who is to blame
//! where one failed.

pub mod certificate;
pub mod chain;
pub mod connect;
pub mod dial;
pub mod failure;
pub mod proxy;
mod terms;
pub mod timeline;
pub mod tls;
