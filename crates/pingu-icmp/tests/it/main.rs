//! The engine against real sockets: loopback, and network namespaces the tests
//! make themselves. Needs root (see `namespace`).

mod batch;
mod forgery;
mod loopback;
mod namespace;
mod permission;
mod responder;
mod route;
mod scale;
