//! The engine against real sockets: loopback, and network namespaces the tests
//! make themselves. Needs root (see `namespace`).

#[cfg(test)]
mod afterwards;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod forgery;
#[cfg(test)]
mod gather;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod permission;
#[cfg(test)]
mod responder;
#[cfg(test)]
mod revival;
#[cfg(test)]
mod route;
#[cfg(test)]
mod scale;
