//! Packets that must not be believed, and those that must although they look odd.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::Duration;

use pingu_icmp::{
    Clock, Completion, Config, Engine, IcmpError, IcmpErrorKind, Outcome, Request, SocketKind,
    Stats,
};

use crate::batch::{Collector, brief, patient, reply};
use crate::namespace::{Rights, SILENT, SILENT_OPEN, inside};
use crate::responder::{Asked, Responder, Responder6, answer, error, with_checksum};

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);

/// Sends one of each forgery for `asked`; the genuine reply is not among them.
fn forge(responder: &Responder, asked: &Asked) {
    let (from, to) = (asked.peer, asked.source);
    let wrong_id = answer(&asked.icmp, |icmp| icmp[5] ^= 1);
    let wrong_seq = answer(&asked.icmp, |icmp| icmp[7] ^= 1);
    let wrong_slot = answer(&asked.icmp, |icmp| icmp[8] ^= 0x80);
    let wrong_tag = answer(&asked.icmp, |icmp| icmp[20] ^= 4);
    let cut = answer(&asked.icmp, |icmp| icmp.truncate(23));
    let cut_to_the_header = answer(&asked.icmp, |icmp| icmp.truncate(8));
    let wrong_code = answer(&asked.icmp, |icmp| icmp[1] = 1);
    let too_long = answer(&asked.icmp, |icmp| icmp.resize(1_000, 0));
    for forged in [
        wrong_id,
        wrong_seq,
        wrong_slot,
        wrong_tag,
        cut,
        cut_to_the_header,
        wrong_code,
        too_long,
    ] {
        responder.send(from, to, &[], &forged);
    }
    let genuine = answer(&asked.icmp, |_| ());
    responder.send(ELSEWHERE, to, &[], &genuine);
    let mut broken = genuine;
    broken[30] ^= 1;
    responder.send(from, to, &[], &broken);
}

/// What of `forge` is counted, `times` over. A datagram socket never sees another
/// identifier's packet or a bad checksum: the kernel sorts them out.
fn assert_forgeries(stats: &Stats, times: u64, kind: SocketKind) {
    let seen_raw = if kind == SocketKind::Raw { times } else { 0 };
    assert_eq!(stats.foreign, seen_raw, "{stats:?}");
    assert_eq!(stats.bad_checksum, seen_raw, "{stats:?}");
    assert_eq!(stats.forged, 3 * times, "{stats:?}");
    assert_eq!(stats.malformed, 4 * times, "{stats:?}");
    assert_eq!(stats.wrong_peer, times, "{stats:?}");
}

fn forgeries_are_counted(kind: SocketKind) {
    let responder = Responder::open();
    let collector = Collector::only(kind);

    // Only forgeries: silence. The genuine one after the verdict: late.
    collector.submit(vec![brief(1, "127.0.0.2", 200)]);
    let asked = responder.next();
    forge(&responder, &asked);
    assert_eq!(collector.next().outcome, Outcome::Timeout);
    responder.send(asked.peer, asked.source, &[], &answer(&asked.icmp, |_| ()));
    collector.stats_when(|stats| stats.late == 1);

    // Forgeries first, then the genuine one, then that again.
    collector.submit(vec![patient(2, "127.0.0.3")]);
    let asked = responder.next();
    forge(&responder, &asked);
    for _ in 0..3 {
        responder.send(asked.peer, asked.source, &[], &answer(&asked.icmp, |_| ()));
    }
    let end = reply(collector.next().outcome);
    assert_eq!((end.from, end.ttl), (asked.peer.into(), Some(61)));
    collector.stats_when(|stats| stats.duplicate == 2);

    let stats = collector.stop_idle();
    assert_forgeries(&stats, 2, kind);
    assert_eq!(
        (stats.replies, stats.timeouts, stats.late, stats.duplicate),
        (1, 1, 1, 2)
    );
    assert_eq!(
        (stats.stale, stats.foreign_errors, stats.system_errors),
        (0, 0, 0)
    );
}

#[test]
fn forged_replies_are_counted_on_a_raw_socket() {
    inside(
        "forgery::forged_replies_are_counted_on_a_raw_socket",
        SILENT,
        Rights::All,
        || {
            forgeries_are_counted(SocketKind::Raw);
        },
    );
}

#[test]
fn forged_replies_are_counted_on_a_datagram_socket() {
    inside(
        "forgery::forged_replies_are_counted_on_a_datagram_socket",
        SILENT_OPEN,
        Rights::All,
        || {
            forgeries_are_counted(SocketKind::Datagram);
        },
    );
}

#[test]
fn forged_ipv6_replies_are_counted_on_both_kinds_of_socket() {
    let setup = format!(
        "{SILENT_OPEN}\nip addr add fd00::1/128 dev lo nodad\nip addr add fd00::2/128 dev lo nodad\n\
         ip addr add fd00::3/128 dev lo nodad"
    );
    inside(
        "forgery::forged_ipv6_replies_are_counted_on_both_kinds_of_socket",
        &setup,
        Rights::All,
        || {
            let [here, peer, elsewhere] =
                ["fd00::1", "fd00::2", "fd00::3"].map(|a| a.parse().unwrap());
            let responder = Responder6::open(peer);
            let stranger = Responder6::open(elsewhere);
            for kind in [SocketKind::Raw, SocketKind::Datagram] {
                let collector = Collector::only(kind);
                collector.submit(vec![Request {
                    source: Some(here),
                    ..patient(1, "fd00::2")
                }]);
                let mut genuine = responder.next();
                genuine[0] = 129;
                let send = |change: fn(&mut Vec<u8>)| {
                    let mut forged = genuine.clone();
                    change(&mut forged);
                    responder.send(here, &forged);
                };
                send(|icmp| icmp[5] ^= 1);
                send(|icmp| icmp[7] ^= 1);
                send(|icmp| icmp[20] ^= 1);
                send(|icmp| icmp.truncate(23));
                stranger.send(here, &genuine);
                send(|_| ());
                send(|_| ());
                assert_eq!(reply(collector.next().outcome).from, peer);
                let stats = collector.stats_when(|stats| stats.duplicate == 1);
                let foreign = u64::from(kind == SocketKind::Raw);
                assert_eq!(
                    (
                        stats.foreign,
                        stats.forged,
                        stats.wrong_peer,
                        stats.malformed
                    ),
                    (foreign, 2, 1, 1),
                    "{stats:?}"
                );
                collector.stop_idle();
            }
        },
    );
}

#[test]
fn options_in_the_ip_header_and_a_shortened_payload_are_believed() {
    inside(
        "forgery::options_in_the_ip_header_and_a_shortened_payload_are_believed",
        SILENT,
        Rights::All,
        || {
            let responder = Responder::open();
            let collector = Collector::only(SocketKind::Raw);
            collector.submit(vec![patient(1, "127.0.0.2")]);
            let asked = responder.next();
            let no_operations = [1; 40];
            responder.send(
                asked.peer,
                asked.source,
                &no_operations,
                &answer(&asked.icmp, |_| ()),
            );
            assert_eq!(reply(collector.next().outcome).payload_bytes, 56);

            collector.submit(vec![patient(2, "127.0.0.2")]);
            let asked = responder.next();
            let short = answer(&asked.icmp, |icmp| icmp.truncate(24));
            responder.send(asked.peer, asked.source, &[], &short);
            assert_eq!(reply(collector.next().outcome).payload_bytes, 16);
        },
    );
}

#[test]
fn code_point_and_source_are_on_the_wire() {
    inside(
        "forgery::code_point_and_source_are_on_the_wire",
        SILENT,
        Rights::All,
        || {
            let responder = Responder::open();
            let collector = Collector::only(SocketKind::Raw);
            let source = Some("127.0.0.77".parse().unwrap());
            collector.submit(vec![Request {
                dscp: Some(46),
                ttl: Some(9),
                source,
                ..patient(1, "127.0.0.2")
            }]);
            let asked = responder.next();
            assert_eq!((asked.tos, asked.header[8]), (46 << 2, 9));
            assert_eq!(asked.source, Ipv4Addr::new(127, 0, 0, 77));
            assert_eq!(asked.icmp.len(), 64);
        },
    );
}

fn quoted_errors(kind: SocketKind) {
    let responder = Responder::open();
    let collector = Collector::only(kind);
    let blame = |asked: &Asked, change: fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let (mut header, mut icmp) = (asked.header.clone(), asked.icmp.clone());
        change(&mut header, &mut icmp);
        header.extend_from_slice(&icmp);
        error(3, 10, &header)
    };

    collector.submit(vec![patient(1, "127.0.0.2")]);
    let asked = responder.next();
    let other_id = blame(&asked, |_, icmp| icmp[5] ^= 1);
    let other_seq = blame(&asked, |_, icmp| {
        icmp[7] ^= 1;
        icmp.truncate(8);
    });
    let other_peer = blame(&asked, |header, _| header[19] ^= 1);
    let other_cookie = blame(&asked, |_, icmp| icmp[20] ^= 1);
    let not_an_echo = blame(&asked, |_, icmp| icmp[0] = 13);
    for foreign in [other_id, other_seq, other_peer, other_cookie, not_an_echo] {
        responder.send(ELSEWHERE, asked.source, &[], &foreign);
    }
    // Cut within the IP header, and within the eight bytes after it: the kernel drops them.
    responder.send(
        ELSEWHERE,
        asked.source,
        &[],
        &error(3, 1, &asked.header[..12]),
    );
    responder.send(
        ELSEWHERE,
        asked.source,
        &[],
        &error(3, 1, &[&asked.header[..], &asked.icmp[..4]].concat()),
    );
    // A source quench ends nothing (RFC 6633).
    let quench = error(4, 0, &[&asked.header[..], &asked.icmp[..]].concat());
    responder.send(ELSEWHERE, asked.source, &[], &quench);
    // The kernel gives a datagram socket only errors that quote its identifier, and
    // a raw one no quench.
    let (foreign, notices) = if kind == SocketKind::Raw {
        (5, 0)
    } else {
        (3, 1)
    };
    let stats =
        collector.stats_when(|stats| stats.foreign_errors >= foreign && stats.notices >= notices);
    assert_eq!(
        (stats.foreign_errors, stats.notices, stats.icmp_errors),
        (foreign, notices, 0),
        "{stats:?}"
    );

    // The whole packet, and only the eight bytes RFC 792 asks for.
    responder.send(ELSEWHERE, asked.source, &[], &blame(&asked, |_, _| ()));
    let expected = IcmpError {
        kind: IcmpErrorKind::Prohibited,
        icmp_type: 3,
        code: 10,
        from: ELSEWHERE.into(),
        mtu: None,
    };
    assert_eq!(collector.next().outcome, Outcome::IcmpError(expected));
    collector.submit(vec![patient(2, "127.0.0.2")]);
    let asked = responder.next();
    responder.send(
        ELSEWHERE,
        asked.source,
        &[],
        &blame(&asked, |_, icmp| icmp.truncate(8)),
    );
    assert_eq!(collector.next().outcome, Outcome::IcmpError(expected));

    // An error, or a reply, after the verdict changes nothing.
    responder.send(ELSEWHERE, asked.source, &[], &blame(&asked, |_, _| ()));
    responder.send(asked.peer, asked.source, &[], &answer(&asked.icmp, |_| ()));
    let stats =
        collector.stats_when(|stats| stats.late == 1 && stats.foreign_errors == foreign + 1);
    assert_eq!(
        (stats.icmp_errors, stats.replies, stats.system_errors),
        (2, 0, 0),
        "{stats:?}"
    );
    collector.stop_idle();
}

#[test]
fn errors_are_attributed_by_what_they_quote_on_a_raw_socket() {
    inside(
        "forgery::errors_are_attributed_by_what_they_quote_on_a_raw_socket",
        SILENT,
        Rights::All,
        || quoted_errors(SocketKind::Raw),
    );
}

#[test]
fn errors_are_attributed_by_what_they_quote_on_a_datagram_socket() {
    inside(
        "forgery::errors_are_attributed_by_what_they_quote_on_a_datagram_socket",
        SILENT_OPEN,
        Rights::All,
        || quoted_errors(SocketKind::Datagram),
    );
}

#[test]
fn an_error_about_one_packet_does_not_fail_the_sending_of_another() {
    inside(
        "forgery::an_error_about_one_packet_does_not_fail_the_sending_of_another",
        SILENT_OPEN,
        Rights::All,
        || {
            for kind in [SocketKind::Datagram, SocketKind::Raw] {
                let responder = Responder::open();
                let (sender, ends) = mpsc::channel();
                let (resume, wait) = mpsc::channel::<()>();
                let sink = move |batch: &mut Vec<Completion>| {
                    for end in batch.drain(..) {
                        let _ = sender.send(end);
                        if end.token == 1 {
                            let _ = wait.recv();
                        }
                    }
                };
                let config = Config {
                    socket: Some(kind),
                    ..Config::default()
                };
                let engine = Engine::start(config, sink).unwrap();
                engine.submit(&mut vec![patient(1, "127.0.0.2")]).unwrap();
                let first = responder.next();
                let genuine = answer(&first.icmp, |_| ());
                responder.send(first.peer, first.source, &[], &genuine);
                assert!(matches!(ends.recv().unwrap().outcome, Outcome::Reply(_)));
                // The engine is held up in its sink with nothing under way. The error
                // is pending on its socket when it goes on, and sending comes first.
                let quoted = [&first.header[..], &first.icmp[..]].concat();
                responder.send(ELSEWHERE, first.source, &[], &error(3, 1, &quoted));
                engine.submit(&mut vec![patient(2, "127.0.0.3")]).unwrap();
                resume.send(()).unwrap();
                let second = responder.next();
                let genuine = answer(&second.icmp, |_| ());
                responder.send(second.peer, second.source, &[], &genuine);
                let end = ends.recv().unwrap();
                assert_eq!(reply(end.outcome).from, second.peer);
                assert_eq!(engine.stop().foreign_errors, 1);
            }
        },
    );
}

#[test]
fn a_reply_that_came_in_time_is_believed_however_late_it_is_read() {
    inside(
        "forgery::a_reply_that_came_in_time_is_believed_however_late_it_is_read",
        SILENT,
        Rights::All,
        || {
            let responder = Responder::open();
            let (sender, ends) = mpsc::channel();
            let (resume, wait) = mpsc::channel::<()>();
            let sink = move |batch: &mut Vec<Completion>| {
                for end in batch.drain(..) {
                    if end.token == 0 {
                        // Holds the engine up, as a busy machine would.
                        let _ = wait.recv();
                    }
                    let _ = sender.send(end);
                }
            };
            let engine = Engine::start(Config::default(), sink).unwrap();
            let stalling = patient(0, "0.0.0.0");
            let timeout = Duration::from_millis(400);
            let probe = |token| Request {
                timeout,
                ..patient(token, "127.0.0.2")
            };
            engine
                .submit(&mut vec![stalling, probe(1), probe(2)])
                .unwrap();
            let (first, second) = (responder.next(), responder.next());
            responder.send(first.peer, first.source, &[], &answer(&first.icmp, |_| ()));
            // Not a wait for anything: the timeout has to be over, for both.
            std::thread::sleep(2 * timeout);
            responder.send(
                second.peer,
                second.source,
                &[],
                &answer(&second.icmp, |_| ()),
            );
            resume.send(()).unwrap();

            let mut ends: Vec<Completion> = (0..3).map(|_| ends.recv().unwrap()).collect();
            ends.sort_by_key(|end| end.token);
            let in_time = reply(ends[1].outcome);
            assert!(in_time.rtt <= timeout, "{in_time:?}");
            assert_eq!(in_time.clock, Clock::Kernel);
            assert_eq!(
                ends[2].outcome,
                Outcome::Timeout,
                "it came too late, though before anybody looked"
            );
            assert_eq!(engine.stop().late, 1);
        },
    );
}

#[test]
fn an_ipv6_error_on_loopback_is_attributed() {
    let setup = format!("{SILENT_OPEN}\nip addr add fd00::2/128 dev lo nodad");
    inside(
        "forgery::an_ipv6_error_on_loopback_is_attributed",
        &setup,
        Rights::All,
        || {
            let router = "fd00::2".parse().unwrap();
            let responder = Responder6::open(router);
            for kind in [SocketKind::Raw, SocketKind::Datagram] {
                for quoted_bytes in [8, 64] {
                    let collector = Collector::only(kind);
                    collector.submit(vec![patient(1, "fd00::2")]);
                    let request = responder.next();
                    // Quoted: the IPv6 header (fd00::2 to itself), then the packet.
                    let mut header = vec![0x60, 0, 0, 0, 0, 64, 58, 64];
                    header.extend_from_slice(
                        &"fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets(),
                    );
                    header.extend_from_slice(
                        &"fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets(),
                    );
                    header.extend_from_slice(&request[..quoted_bytes]);
                    let mut packet = vec![1, 1, 0, 0, 0, 0, 0, 0];
                    packet.extend_from_slice(&header);
                    responder.send(router, &with_checksum(packet));
                    let expected = IcmpError {
                        kind: IcmpErrorKind::Prohibited,
                        icmp_type: 1,
                        code: 1,
                        from: router,
                        mtu: None,
                    };
                    assert_eq!(collector.next().outcome, Outcome::IcmpError(expected));
                    collector.stop_idle();
                }
            }
        },
    );
}
