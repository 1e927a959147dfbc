//! The engine against real sockets: loopback, and network namespaces the tests
//! make themselves. Needs root (see `namespace`).

#[cfg(test)]
mod afterwards;
mod batch;
#[cfg(test)]
mod forgery;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod pace;
mod permission;
#[cfg(test)]
mod responder;
mod revival;
#[cfg(test)]
mod route;
#[cfg(test)]
mod scale;
