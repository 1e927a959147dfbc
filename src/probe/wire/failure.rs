//! What went wrong, as a verdict and a sentence.
//!
//! The rule of blame: what a target or the way to it did makes the target down; what this machine lacked (descriptors, ports,
//! permission, a route) makes the result unknown. Every other file of this folder says what it attempted and leaves the rest to these.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustix::io::Errno;

use crate::model::{Failure, Reason, Verdict};
use crate::probe::resolve::words;

/// Why a probe ended without the answer it wanted.
#[derive(Debug)]
pub struct Fault(pub Verdict);

impl Fault {
    pub fn down(reason: Reason, error: impl AsRef<str>) -> Self {
        Self(Verdict::Down(Failure::new(reason, error)))
    }

    pub fn local(error: impl AsRef<str>) -> Self {
        Self(Verdict::Unknown(Failure::new(Reason::Local, error)))
    }

    pub const fn is_local(&self) -> bool {
        matches!(self.0, Verdict::Unknown(_))
    }
}

/// When a connection attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In the system call itself, which asks nobody but this machine's routing table (connect(2), ip(7)).
    AtOnce,
    /// After the first packet had left: the error came back from the network or the target.
    Later,
}

/// A connection that was not made.
pub fn connecting(address: SocketAddr, error: &io::Error, moment: Moment) -> Fault {
    if let Some(fault) = shortage(error) {
        return fault;
    }
    let why = words(error);
    match (error.kind(), moment) {
        (ErrorKind::ConnectionRefused, _) => {
            Fault::down(Reason::Refused, format!("{address} refused the connection"))
        }
        (ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted, _) => {
            Fault::down(Reason::Reset, format!("{address} reset the connection"))
        }
        (ErrorKind::TimedOut, _) => {
            Fault::down(Reason::Timeout, format!("{address} did not answer: {why}"))
        }
        // the kernel's answer to a blackhole route and to a link-local address without its interface
        (ErrorKind::InvalidInput, Moment::AtOnce) => {
            Fault::local(format!("no way from here to {address}: no usable route"))
        }
        (_, Moment::AtOnce) => Fault::local(format!("no way from here to {address}: {why}")),
        (_, Moment::Later) => Fault::down(
            Reason::Unreachable,
            format!("{address} cannot be reached: {why}"),
        ),
    }
}

/// A connection that broke while `doing` something on it.
pub fn broken(error: &io::Error, doing: &str) -> Fault {
    if let Some(fault) = shortage(error) {
        return fault;
    }
    let why = words(error);
    match error.kind() {
        ErrorKind::UnexpectedEof => Fault::down(
            Reason::Reset,
            format!("the connection was closed while {doing}"),
        ),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            Fault::down(Reason::Unreachable, format!("{why} while {doing}"))
        }
        ErrorKind::TimedOut => Fault::down(Reason::Timeout, format!("{why} while {doing}")),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Fault::down(
            Reason::Protocol,
            format!("malformed answer while {doing}: {why}"),
        ),
        _ => Fault::down(
            Reason::Reset,
            format!("the connection was cut while {doing}: {why}"),
        ),
    }
}

/// What this machine ran out of or may not do: says nothing of the target.
fn shortage(error: &io::Error) -> Option<Fault> {
    let what = match Errno::from_io_error(error)? {
        Errno::MFILE => "too many open files in this process (EMFILE)",
        Errno::NFILE => "too many open files on this machine (ENFILE)",
        Errno::NOBUFS => "no buffer space on this machine (ENOBUFS)",
        Errno::NOMEM => "no memory on this machine (ENOMEM)",
        Errno::ADDRNOTAVAIL => "no local port or address is free (EADDRNOTAVAIL)",
        Errno::ADDRINUSE => "the local address is in use (EADDRINUSE)",
        Errno::PERM => "this machine's firewall or rights forbid it (EPERM)",
        Errno::ACCESS => "this machine's rules forbid it (EACCES)",
        Errno::AFNOSUPPORT => "this machine has no such address family (EAFNOSUPPORT)",
        Errno::NETDOWN => "this machine's network is down (ENETDOWN)",
        _ => return None,
    };
    Some(Fault::local(what))
}

/// The innermost `T` that `error` was caused by.
pub fn source_of<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // an io::Error hides what it carries from `source`
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(|error| error.get_ref());
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    fn os(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    fn told(fault: &Fault) -> (Outcome, Reason, String) {
        let failure = fault.0.failure().unwrap();
        let outcome = fault.0.outcome();
        (outcome, failure.reason, failure.error.to_string())
    }

    #[test]
    fn what_this_machine_lacks_is_never_the_target_s_fault() {
        let address = "192.0.2.1:80".parse().unwrap();
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::ADDRNOTAVAIL,
            Errno::PERM,
            Errno::ACCESS,
            Errno::AFNOSUPPORT,
            Errno::NETDOWN,
        ] {
            for moment in [Moment::AtOnce, Moment::Later] {
                let (outcome, reason, text) = told(&connecting(address, &os(errno), moment));
                assert_eq!(
                    (outcome, reason),
                    (Outcome::Unknown, Reason::Local),
                    "{text}"
                );
            }
            assert!(broken(&os(errno), "reading the body").is_local());
        }
    }

    #[test]
    fn a_missing_route_here_is_local_and_an_answer_from_a_router_is_not() {
        let address = "192.0.2.1:80".parse().unwrap();
        for errno in [Errno::NETUNREACH, Errno::HOSTUNREACH] {
            let (outcome, reason, text) = told(&connecting(address, &os(errno), Moment::AtOnce));
            assert_eq!(
                (outcome, reason),
                (Outcome::Unknown, Reason::Local),
                "{text}"
            );
            let (outcome, reason, text) = told(&connecting(address, &os(errno), Moment::Later));
            assert_eq!(
                (outcome, reason),
                (Outcome::Down, Reason::Unreachable),
                "{text}"
            );
            assert!(
                text.starts_with("192.0.2.1:80 cannot be reached: "),
                "{text}"
            );
        }
    }

    #[test]
    fn a_refusal_is_the_target_s_whenever_it_comes() {
        let address = "[::1]:80".parse().unwrap();
        for moment in [Moment::AtOnce, Moment::Later] {
            let fault = connecting(address, &os(Errno::CONNREFUSED), moment);
            let expected = (
                Outcome::Down,
                Reason::Refused,
                "[::1]:80 refused the connection".to_owned(),
            );
            assert_eq!(told(&fault), expected);
        }
    }

    #[test]
    fn causes_are_found_inside_io_errors() {
        let inner = rustls::Error::NoCertificatesPresented;
        let outer = io::Error::other(io::Error::other(inner.clone()));
        assert_eq!(source_of::<rustls::Error>(&outer), Some(&inner));
        assert_eq!(source_of::<rustls::Error>(&os(Errno::PIPE)), None);
    }
}
