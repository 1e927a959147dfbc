//! Tests through the real thing: sockets on loopback, real files. One binary, so the service is linked once.

mod farm;
mod http_probe;
mod resolve;
