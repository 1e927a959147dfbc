//! What routing does to a packet: refused here, refused by a router, or lost.

use std::collections::BTreeSet;
use std::process::Command;

use pingu_icmp::{
    Clock, Config, Errno, IcmpError, IcmpErrorKind, LocalError, Outcome, Request, SocketKind,
};

use crate::batch::{Collector, brief, patient, reply};
use crate::namespace::{Rights, inside};

/// A router at 10.0.0.2, `fd00::2` and `fe80::2`, reached through `near`.
const ROUTER: &str = "
    ip link set lo up
    echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
    ip netns add router
    ip link add near type veth peer name far
    ip link set far netns router
    ip addr add 10.0.0.1/24 dev near
    for n in $(seq 11 28); do ip addr add 10.0.0.$n/24 dev near; done
    ip addr add fd00::1/64 dev near nodad
    ip link set near up addrgenmode none
    ip addr add fe80::1/64 dev near nodad
    ip -n router link set lo up
    ip -n router link set far up addrgenmode none
    ip -n router addr add 10.0.0.2/24 dev far
    ip -n router addr add fd00::2/64 dev far nodad
    ip -n router addr add fe80::2/64 dev far nodad
    ip netns exec router sh -euc '
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        echo 0 > /proc/sys/net/ipv4/icmp_ratemask
        echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
        echo 1000000 > /proc/sys/net/ipv4/icmp_msgs_per_sec
        echo 100000 > /proc/sys/net/ipv4/icmp_msgs_burst
    '
    ip -n router route add unreachable 10.1.0.0/16
    ip -n router route add prohibit 10.2.0.0/16
    ip -n router route add 10.4.0.0/16 dev far
    ip -n router route add blackhole 10.5.0.0/16
    ip -n router route add prohibit fd02::/64
    ip -n router route add fd04::/64 dev far
    ip -n router route add blackhole fd05::/64
    ip route add default via 10.0.0.2
    ip route add default via fd00::2
    echo 20 > /proc/sys/net/ipv4/neigh/near/retrans_time_ms
    echo 20 > /proc/sys/net/ipv6/neigh/near/retrans_time_ms
";

const BOTH: [SocketKind; 2] = [SocketKind::Raw, SocketKind::Datagram];

/// Peer, time to live, and what is expected: kind, type, code, from whom.
type Case = (&'static str, u8, IcmpErrorKind, (u8, u8), &'static str);

const REFUSED: [Case; 9] = [
    (
        "10.1.0.9",
        64,
        IcmpErrorKind::HostUnreachable,
        (3, 1),
        "10.0.0.2",
    ),
    (
        "10.2.0.9",
        64,
        IcmpErrorKind::Prohibited,
        (3, 13),
        "10.0.0.2",
    ),
    (
        "10.9.0.9",
        64,
        IcmpErrorKind::NetworkUnreachable,
        (3, 0),
        "10.0.0.2",
    ),
    (
        "10.4.0.9",
        1,
        IcmpErrorKind::TtlExceeded,
        (11, 0),
        "10.0.0.2",
    ),
    ("fd02::9", 64, IcmpErrorKind::Prohibited, (1, 1), "fd00::2"),
    (
        "fd09::9",
        64,
        IcmpErrorKind::NetworkUnreachable,
        (1, 0),
        "fd00::2",
    ),
    ("fd04::9", 1, IcmpErrorKind::TtlExceeded, (3, 0), "fd00::2"),
    // Nobody there: this host says so itself.
    (
        "10.0.0.77",
        64,
        IcmpErrorKind::HostUnreachable,
        (3, 1),
        "10.0.0.1",
    ),
    (
        "fd00::77",
        64,
        IcmpErrorKind::HostUnreachable,
        (1, 3),
        "fd00::1",
    ),
];

#[test]
fn the_word_of_a_router_is_kept() {
    inside(
        "route::the_word_of_a_router_is_kept",
        ROUTER,
        Rights::All,
        || {
            for (socket, first_source) in BOTH.into_iter().zip([11, 20]) {
                let collector = Collector::only(socket);
                for (index, (peer, ttl, kind, (icmp_type, code), from)) in (0..).zip(REFUSED) {
                    // Linux tells each source of only five lost packets in a row.
                    let source = [10, 0, 0, first_source + index].into();
                    let from = from.parse().unwrap();
                    let request = Request {
                        ttl: Some(ttl),
                        source: peer.contains('.').then_some(source),
                        ..patient(1, peer)
                    };
                    let expected = IcmpError {
                        kind,
                        icmp_type,
                        code,
                        from,
                        mtu: None,
                    };
                    let outcome = collector.probe_one(request);
                    assert_eq!(
                        outcome,
                        Outcome::IcmpError(expected),
                        "{peer} by {socket:?}"
                    );
                }
                for peer in ["10.5.0.9", "fd05::9"] {
                    assert_eq!(
                        collector.probe_one(brief(1, peer, 50)),
                        Outcome::Timeout,
                        "{peer}"
                    );
                }
                for peer in ["10.0.0.2", "fd00::2"] {
                    assert_eq!(
                        reply(collector.probe_one(patient(1, peer))).ttl,
                        Some(64),
                        "{peer}"
                    );
                }
                let stats = collector.stop_idle();
                assert_eq!(
                    (stats.icmp_errors, stats.timeouts, stats.replies),
                    (9, 2, 2)
                );
                assert_eq!(
                    (stats.foreign_errors, stats.system_errors),
                    (0, 0),
                    "{stats:?}"
                );
            }
        },
    );
}

#[test]
fn a_router_s_errors_in_a_large_batch_go_to_the_right_requests() {
    inside(
        "route::a_router_s_errors_in_a_large_batch_go_to_the_right_requests",
        ROUTER,
        Rights::All,
        || {
            for socket in BOTH {
                let collector = Collector::only(socket);
                let peers = ["10.4.0.9", "10.0.0.2", "fd04::9", "fd00::2"];
                let requests = (0..2_000).map(|n| {
                    let ttl = (n % 2 == 0).then_some(1);
                    Request {
                        ttl,
                        ..patient(n, peers[n as usize % 4])
                    }
                });
                for (token, end) in collector.probe(requests.collect()) {
                    let as_expected = match end.outcome {
                        Outcome::IcmpError(error) => {
                            token % 2 == 0 && error.kind == IcmpErrorKind::TtlExceeded
                        }
                        Outcome::Reply(reply) => {
                            token % 2 == 1 && reply.from.to_string() == peers[token as usize % 4]
                        }
                        _ => false,
                    };
                    assert!(as_expected, "{token}: {end:?}");
                }
                collector.stop_idle();
            }
        },
    );
}

/// Behind the router a link that takes 1,300 bytes.
fn narrow() -> String {
    format!(
        "{ROUTER}
        ip -n router link add narrow type veth peer name end
        ip -n router link set narrow mtu 1300 up
        ip -n router link set end up
        ip -n router route add 10.6.0.0/16 dev narrow
        ip -n router route add fd06::/64 dev narrow"
    )
}

#[test]
fn a_packet_that_must_not_be_fragmented_tells_the_mtu() {
    inside(
        "route::a_packet_that_must_not_be_fragmented_tells_the_mtu",
        &narrow(),
        Rights::All,
        || {
            for socket in BOTH {
                let collector = Collector::only(socket);
                let sized = |token, peer, payload_bytes, dont_fragment| Request {
                    payload_bytes,
                    dont_fragment,
                    ..patient(token, peer)
                };
                for (peer, behind) in [("10.0.0.2", "10.6.0.9"), ("fd00::2", "fd06::9")] {
                    // On the way, however often: what is remembered of the path is not asked.
                    for round in 0..3 {
                        let outcome = collector.probe_one(sized(round, behind, 1_400, true));
                        let told = matches!(
                            outcome,
                            Outcome::IcmpError(IcmpError {
                                kind: IcmpErrorKind::PacketTooBig,
                                mtu: Some(1_300),
                                ..
                            })
                        );
                        assert!(told, "{behind} by {socket:?}: {outcome:?}");
                    }
                    // Larger than our own link, among others that fit or may be cut.
                    let requests = vec![
                        sized(0, peer, 56, false),
                        sized(1, peer, 3_000, true),
                        sized(2, peer, 3_000, false),
                        sized(3, peer, 1_400, true),
                        sized(4, peer, 3_000, true),
                        sized(5, peer, 3_000, true),
                        sized(6, peer, 56, true),
                        sized(7, peer, 3_000, false),
                    ];
                    for (token, end) in collector.probe(requests) {
                        let expected = match token {
                            1 | 4 | 5 => {
                                let errno = Errno(libc::EMSGSIZE);
                                let mtu = Some(1_500);
                                end.outcome == Outcome::Local(LocalError::TooLarge { errno, mtu })
                            }
                            _ => matches!(end.outcome, Outcome::Reply(reply)
                                if reply.clock == Clock::Kernel && reply.damaged_at.is_none()),
                        };
                        assert!(expected, "{token} to {peer} by {socket:?}: {end:?}");
                    }
                }
                let stats = collector.stop_idle();
                assert_eq!(
                    (stats.foreign_errors, stats.system_errors),
                    (0, 0),
                    "{stats:?}"
                );
            }
        },
    );
}

#[test]
fn what_this_host_refuses_is_a_local_error_of_its_kind() {
    let setup = format!(
        "{ROUTER}
        ip route del default
        ip -6 route del default
        for kind in unreachable prohibit blackhole; do
            case $kind in unreachable) n=1;; prohibit) n=2;; blackhole) n=3;; esac
            ip route add $kind 10.2$n.0.0/16
            ip -6 route add $kind fd2$n::/64
        done"
    );
    inside(
        "route::what_this_host_refuses_is_a_local_error_of_its_kind",
        &setup,
        Rights::All,
        || {
            let cases = [
                ("10.9.0.9", LocalError::NoRoute(Errno(libc::ENETUNREACH))),
                ("fd09::9", LocalError::NoRoute(Errno(libc::ENETUNREACH))),
                ("10.21.0.9", LocalError::NoRoute(Errno(libc::EHOSTUNREACH))),
                ("fd21::9", LocalError::NoRoute(Errno(libc::EHOSTUNREACH))),
                ("10.22.0.9", LocalError::Denied(Errno(libc::EACCES))),
                ("fd22::9", LocalError::Denied(Errno(libc::EACCES))),
                ("10.23.0.9", LocalError::NoRoute(Errno(libc::EINVAL))),
                ("fd23::9", LocalError::NoRoute(Errno(libc::EINVAL))),
                // A broadcast address.
                ("10.0.0.255", LocalError::Denied(Errno(libc::EACCES))),
            ];
            for socket in BOTH {
                let collector = Collector::only(socket);
                let mut requests: Vec<Request> = (0..)
                    .zip(cases)
                    .map(|(token, (peer, _))| patient(token, peer))
                    .collect();
                // One that is sent, in their midst.
                requests.insert(4, patient(100, "10.0.0.2"));
                let seen = collector.probe(requests);
                for (token, (peer, expected)) in (0..).zip(cases) {
                    let end = seen[&token];
                    assert_eq!(
                        end.outcome,
                        Outcome::Local(expected),
                        "{peer} by {socket:?}"
                    );
                    assert_eq!(end.sent_at, None);
                }
                // The failures around it did not confuse whose stamp is whose.
                assert_eq!(reply(seen[&100].outcome).clock, Clock::Kernel);

                let source = Some("10.99.0.1".parse().unwrap());
                let outcome = collector.probe_one(Request {
                    source,
                    ..patient(1, "10.0.0.2")
                });
                // Which of the two depends on the kernel.
                let refused = matches!(
                    outcome,
                    Outcome::Local(LocalError::BadSource(_) | LocalError::NoRoute(_))
                );
                assert!(refused, "{outcome:?}");
                collector.stop_idle();
            }
        },
    );
}

/// The index of an interface, which is the scope of its link.
fn scope_of(interface: &str) -> u32 {
    let shown = Command::new("ip")
        .args(["-o", "link", "show", interface])
        .output()
        .unwrap()
        .stdout;
    let shown = String::from_utf8(shown).unwrap();
    shown.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn one_link_local_address_on_two_links_is_two_peers() {
    let setup = "
        ip link set lo up
        echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
        for n in 1 2; do
            ip netns add far$n
            ip link add near$n type veth peer name far netns far$n
            ip link set near$n up addrgenmode none
            ip addr add fe80::1/64 dev near$n nodad
            ip -n far$n link set far up addrgenmode none
            ip -n far$n addr add fe80::2/64 dev far nodad
            ip netns exec far$n sh -c \"echo 10$n > /proc/sys/net/ipv6/conf/far/hop_limit\"
        done";
    inside(
        "route::one_link_local_address_on_two_links_is_two_peers",
        setup,
        Rights::All,
        || {
            for socket in BOTH {
                let collector = Collector::only(socket);
                let scopes = [scope_of("near1"), scope_of("near2")];
                let requests = (0..200).map(|token| Request {
                    scope: scopes[token as usize % 2],
                    source: (token % 3 == 0).then(|| "fe80::1".parse().unwrap()),
                    ..patient(token, "fe80::2")
                });
                for (token, end) in collector.probe(requests.collect()) {
                    let end = reply(end.outcome);
                    // Each far end answers with a hop limit of its own.
                    assert_eq!(
                        end.ttl,
                        Some(101 + token as u8 % 2),
                        "{token} by {socket:?}"
                    );
                }
                let stats = collector.stop_idle();
                assert_eq!((stats.replies, stats.wrong_peer), (200, 0), "{stats:?}");
            }
        },
    );
}

#[test]
fn a_link_local_peer_is_reached_through_its_scope() {
    inside(
        "route::a_link_local_peer_is_reached_through_its_scope",
        ROUTER,
        Rights::All,
        || {
            let scope = scope_of("near");
            for socket in BOTH {
                let collector = Collector::only(socket);
                let outcome = collector.probe_one(Request {
                    scope,
                    ..patient(1, "fe80::2")
                });
                assert_eq!(reply(outcome).from.to_string(), "fe80::2");
                let loopback = Request {
                    scope: 1,
                    ..brief(1, "fe80::2", 200)
                };
                let outcome = collector.probe_one(loopback);
                assert!(
                    !matches!(outcome, Outcome::Reply(_)),
                    "not on that interface: {outcome:?}"
                );
            }
        },
    );
}

fn tc(arguments: &str) {
    let status = Command::new("tc").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "tc {arguments}");
}

#[test]
fn a_packet_dropped_by_our_own_interface_queue_is_our_fault() {
    inside(
        "route::a_packet_dropped_by_our_own_interface_queue_is_our_fault",
        ROUTER,
        Rights::All,
        || {
            for socket in BOTH {
                let collector = Collector::only(socket);
                tc("qdisc add dev near root tbf rate 8kbit burst 2000 limit 2000");
                // While the queue is full no neighbour could be found.
                for peer in ["10.0.0.2", "fd00::2"] {
                    reply(collector.probe_one(patient(1, peer)));
                }
                let requests =
                    (0..400).map(|n| brief(n, ["10.0.0.2", "fd00::2"][n as usize % 2], 300));
                let seen = collector.probe(requests.collect());
                let no_room = Outcome::Local(LocalError::NoBuffers(Errno(libc::ENOBUFS)));
                let refused: BTreeSet<u64> = seen
                    .values()
                    .filter(|end| end.outcome == no_room)
                    .map(|end| end.token)
                    .collect();
                // Over IPv6 datagram sockets Linux keeps it to itself
                // (icmpv6_push_pending_frames drops the error).
                let told: &[u64] = if socket == SocketKind::Raw {
                    &[0, 1]
                } else {
                    &[0]
                };
                for &odd in told {
                    let count = refused.iter().filter(|token| **token % 2 == odd).count();
                    assert!(count > 100, "{count} refused of family {odd} by {socket:?}");
                }
                tc("qdisc del dev near root");
                // Dropped packets did not confuse whose stamp is whose.
                for peer in ["10.0.0.2", "fd00::2"] {
                    let end = reply(collector.probe_one(patient(1, peer)));
                    assert_eq!(end.clock, Clock::Kernel, "{peer} by {socket:?}");
                }
                let stats = collector.stop_idle();
                assert_eq!(stats.sent + refused.len() as u64, 404, "{stats:?}");
            }
        },
    );
}

#[test]
fn an_overflow_of_our_receive_queue_is_our_fault() {
    inside(
        "route::an_overflow_of_our_receive_queue_is_our_fault",
        ROUTER,
        Rights::All,
        || {
            for socket in BOTH {
                // As small as the kernel allows: a few packets.
                let config = Config {
                    receive_buffer: 1,
                    transmit_stamps: false,
                    socket: Some(socket),
                    ..Config::default()
                };
                let collector = Collector::start(config);
                let requests =
                    (0..1_000).map(|n| brief(n, ["127.0.0.1", "::1"][n as usize % 2], 200));
                let seen = collector.probe(requests.collect());
                let lost = Outcome::Local(LocalError::ReceiveOverflow);
                let (mut replies, mut overflows) = (0, 0);
                for end in seen.values() {
                    match end.outcome {
                        Outcome::Reply(_) => replies += 1,
                        outcome if outcome == lost => overflows += 1,
                        other => panic!("nobody was silent: {other:?}"),
                    }
                }
                let stats = collector.stop_idle();
                assert!(
                    replies > 0 && overflows > 0,
                    "{replies} replies, {overflows} overflows"
                );
                assert!(stats.overflows >= overflows, "{stats:?}");
            }
        },
    );
}
