//! Sockets that are lost, or cannot be opened at first, are opened again.

use std::fs;
use std::os::fd::{BorrowedFd, RawFd};
use std::process::Command;
use std::time::Instant;

use pingu_icmp::{Config, Engine, Family, LocalError, Outcome, Request, SocketKind};
use socket2::SockRef;

use crate::batch::{Collector, PATIENCE, patient, reply};
use crate::namespace::{Rights, SILENT_OPEN, inside};

/// Does what a stray shutdown(2) of somebody else's would do to the engine's sockets.
#[expect(unsafe_code, reason = "the descriptors are the engine's own")]
fn shut_all_sockets_down() {
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let is_socket = fs::read_link(entry.path())
            .is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
        if is_socket {
            let number: RawFd = entry.file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: the engine keeps it open; this test alone makes it close.
            let socket = unsafe { BorrowedFd::borrow_raw(number) };
            // The kernel says "not connected" and shuts it down all the same.
            let _ = SockRef::from(&socket).shutdown(std::net::Shutdown::Both);
        }
    }
}

fn access_when(
    engine: &Engine,
    family: Family,
    wish: impl Fn(Result<SocketKind, LocalError>) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !wish(engine.access(family)) {
        assert!(Instant::now() < deadline, "{:?}", engine.access(family));
        std::thread::yield_now();
    }
}

#[test]
fn a_lost_socket_is_replaced_and_what_it_had_under_way_is_our_fault() {
    inside(
        "revival::a_lost_socket_is_replaced_and_what_it_had_under_way_is_our_fault",
        SILENT_OPEN,
        Rights::All,
        || {
            for kind in [SocketKind::Datagram, SocketKind::Raw] {
                fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
                let collector = Collector::only(kind);
                collector.submit(vec![patient(1, "127.0.0.1"), patient(2, "::1")]);
                collector.stats_when(|stats| stats.sent == 2);
                shut_all_sockets_down();
                for _ in 0..2 {
                    let end = collector.next();
                    let lost = matches!(end.outcome, Outcome::Local(LocalError::SocketLost(_)));
                    assert!(lost && end.sent_at.is_some(), "{end:?}");
                }
                collector.stats_when(|stats| stats.reopened == 2);
                for family in [Family::V4, Family::V6] {
                    access_when(&collector.engine, family, |access| access == Ok(kind));
                }
                fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "0").unwrap();
                reply(collector.probe_one(patient(3, "127.0.0.1")));
                collector.stop_idle();
            }
        },
    );
}

#[test]
fn a_permission_that_comes_later_is_found() {
    inside(
        "revival::a_permission_that_comes_later_is_found",
        "ip link set lo up",
        Rights::None,
        || {
            let range = "/proc/sys/net/ipv4/ping_group_range";
            let collector = Collector::start(Config::default());
            let outcome = collector.probe_one(patient(1, "127.0.0.1"));
            assert!(matches!(
                outcome,
                Outcome::Local(LocalError::NoPermission { .. })
            ));
            fs::write(range, "0 2147483647").unwrap();
            // By itself.
            for family in [Family::V4, Family::V6] {
                access_when(&collector.engine, family, |access| {
                    access == Ok(SocketKind::Datagram)
                });
            }
            reply(collector.probe_one(patient(2, "127.0.0.1")));
            reply(collector.probe_one(patient(3, "::1")));
            assert_eq!(collector.stop_idle().reopened, 2);

            // At once when told.
            fs::write(range, "1 0").unwrap();
            let collector = Collector::start(Config::default());
            fs::write(range, "0 2147483647").unwrap();
            collector.engine.reopen();
            access_when(&collector.engine, Family::V4, |access| access.is_ok());
            reply(collector.probe_one(patient(4, "127.0.0.1")));
            collector.stop_idle();
        },
    );
}

#[test]
fn an_interface_that_goes_and_comes_again_needs_no_new_socket() {
    inside(
        "revival::an_interface_that_goes_and_comes_again_needs_no_new_socket",
        "ip link set lo up
         echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
         ip netns add far",
        Rights::All,
        || {
            let ip = |lines: &str| {
                for line in lines.lines() {
                    let status = Command::new("ip").args(line.split_whitespace()).status();
                    assert!(status.unwrap().success(), "ip {line}");
                }
            };
            let build = "link add near type veth peer name there netns far
                         addr add 10.0.0.1/24 dev near
                         link set near up
                         -n far addr add 10.0.0.2/24 dev there
                         -n far link set there up";
            for kind in [SocketKind::Datagram, SocketKind::Raw] {
                let collector = Collector::only(kind);
                let probe = |token| {
                    collector.probe_one(Request {
                        source: Some("10.0.0.1".parse().unwrap()),
                        ..patient(token, "10.0.0.2")
                    })
                };
                ip(build);
                reply(probe(1));
                ip("link set near down");
                let down = probe(2);
                assert!(matches!(down, Outcome::Local(_)), "{down:?}");
                ip("link del near");
                let gone = probe(3);
                assert!(matches!(gone, Outcome::Local(_)), "{gone:?}");
                ip(build);
                reply(probe(4));
                ip("link del near");
                let stats = collector.stop_idle();
                assert_eq!((stats.reopened, stats.system_errors), (0, 0), "{stats:?}");
            }
        },
    );
}
