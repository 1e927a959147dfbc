//! What a process that may open no ICMP socket gets.

use pingu_icmp::{Config, Errno, Family, LocalError, Outcome, SocketKind};

use crate::batch::{Collector, patient};
use crate::namespace::{LOOPBACK, Rights, inside};

#[test]
fn with_neither_permission_every_request_says_so_and_the_engine_works() {
    inside(
        "permission::with_neither_permission_every_request_says_so_and_the_engine_works",
        LOOPBACK,
        Rights::None,
        || {
            let collector = Collector::start(Config::default());
            let requests =
                (0..100).map(|n| patient(n, if n % 2 == 0 { "127.0.0.1" } else { "::1" }));
            let seen = collector.probe(requests.collect());
            for (token, end) in seen {
                let family = if token % 2 == 0 {
                    Family::V4
                } else {
                    Family::V6
                };
                let expected = LocalError::NoPermission {
                    family,
                    datagram: Errno(libc::EACCES),
                    raw: Errno(libc::EPERM),
                };
                assert_eq!(end.outcome, Outcome::Local(expected));
                assert_eq!(end.sent_at, None);
                assert_eq!(collector.engine.access(family), Err(expected));
            }
            assert_eq!(collector.stop_idle().local_errors, 100);
        },
    );
}

#[test]
fn a_raw_socket_is_opened_where_datagram_sockets_are_closed() {
    inside(
        "permission::a_raw_socket_is_opened_where_datagram_sockets_are_closed",
        LOOPBACK,
        Rights::All,
        || {
            let collector = Collector::start(Config::default());
            assert_eq!(collector.engine.access(Family::V4), Ok(SocketKind::Raw));
            assert_eq!(collector.engine.access(Family::V6), Ok(SocketKind::Raw));
            assert!(matches!(
                collector.probe_one(patient(1, "127.0.0.1")),
                Outcome::Reply(_)
            ));
        },
    );
}

#[test]
fn a_datagram_socket_is_preferred_where_both_are_open() {
    let setup = format!("{LOOPBACK}\necho '0 2147483647' > /proc/sys/net/ipv4/ping_group_range");
    inside(
        "permission::a_datagram_socket_is_preferred_where_both_are_open",
        &setup,
        Rights::All,
        || {
            let collector = Collector::start(Config::default());
            assert_eq!(
                collector.engine.access(Family::V4),
                Ok(SocketKind::Datagram)
            );
            assert_eq!(
                collector.engine.access(Family::V6),
                Ok(SocketKind::Datagram)
            );
        },
    );
}
