//! What comes after the verdict reaches the sink, with the request's token and a
//! round trip, and stays bounded whatever a peer sends.

use std::sync::mpsc::{self, Receiver, Sender};

use pingu_icmp::{
    Afterword, AfterwordKind, Clock, Completion, Config, Engine, Outcome, Sink, SocketKind,
};

use crate::batch::{PATIENCE, brief, patient, reply};
use crate::namespace::{Rights, SILENT, SILENT_OPEN, inside};
use crate::responder::{Responder, answer};

/// What a sink was given, in the order it came.
#[derive(Debug)]
enum Given {
    End(Completion),
    After(Afterword),
}

struct Both(Sender<Given>);

impl Sink for Both {
    fn complete(&mut self, batch: &mut Vec<Completion>) {
        for end in batch.drain(..) {
            let _ = self.0.send(Given::End(end));
        }
    }

    fn afterwards(&mut self, batch: &mut Vec<Afterword>) {
        for word in batch.drain(..) {
            let _ = self.0.send(Given::After(word));
        }
    }
}

fn start(kind: SocketKind) -> (Engine, Receiver<Given>) {
    let (sender, given) = mpsc::channel();
    let config = Config {
        socket: Some(kind),
        ..Config::default()
    };
    (Engine::start(config, Both(sender)).unwrap(), given)
}

fn end(given: &Receiver<Given>) -> Completion {
    match given.recv_timeout(PATIENCE).expect("a completion") {
        Given::End(end) => end,
        Given::After(word) => panic!("a completion comes first: {word:?}"),
    }
}

fn after(given: &Receiver<Given>) -> Afterword {
    match given.recv_timeout(PATIENCE).expect("an afterword") {
        Given::After(word) => word,
        Given::End(end) => panic!("ended twice: {end:?}"),
    }
}

fn what_comes_late_or_again_is_told(kind: SocketKind) {
    let responder = Responder::open();
    let (engine, given) = start(kind);

    engine.submit(&mut vec![brief(7, "127.0.0.2", 50)]).unwrap();
    let asked = responder.next();
    assert_eq!(end(&given).outcome, Outcome::Timeout);
    let genuine = answer(&asked.icmp, |_| ());
    responder.send(asked.peer, asked.source, &[], &genuine);
    let late = after(&given);
    assert_eq!((late.token, late.kind), (7, AfterwordKind::Late));
    assert_eq!(late.reply.clock, Clock::Kernel);
    assert!(late.reply.rtt.as_millis() >= 50, "{late:?}");
    assert_eq!(late.reply.damaged_at, None);
    responder.send(asked.peer, asked.source, &[], &genuine);
    let again = after(&given);
    assert_eq!((again.token, again.kind), (7, AfterwordKind::Duplicate));
    assert!(again.reply.rtt > late.reply.rtt);

    engine.submit(&mut vec![patient(8, "127.0.0.3")]).unwrap();
    let asked = responder.next();
    let damaged = answer(&asked.icmp, |icmp| icmp[8 + 33] ^= 0x20);
    responder.send(asked.peer, asked.source, &[], &damaged);
    let first = reply(end(&given).outcome);
    assert_eq!(first.damaged_at, Some(33));
    let longer = answer(&asked.icmp, |icmp| icmp.extend(56..64));
    responder.send(asked.peer, asked.source, &[], &longer);
    let copy = after(&given);
    assert_eq!(copy.kind, AfterwordKind::Duplicate);
    assert_eq!(
        (copy.reply.payload_bytes, copy.reply.damaged_at),
        (64, Some(56)),
        "it is longer than what was sent"
    );
    let stats = engine.stop();
    assert_eq!(
        (stats.late, stats.duplicate, stats.corrupted, stats.untold),
        (1, 2, 2, 0),
        "{stats:?}"
    );
}

#[test]
fn late_repeated_and_damaged_replies_are_told_by_a_raw_socket() {
    inside(
        "afterwards::late_repeated_and_damaged_replies_are_told_by_a_raw_socket",
        SILENT,
        Rights::All,
        || what_comes_late_or_again_is_told(SocketKind::Raw),
    );
}

#[test]
fn late_repeated_and_damaged_replies_are_told_by_a_datagram_socket() {
    inside(
        "afterwards::late_repeated_and_damaged_replies_are_told_by_a_datagram_socket",
        SILENT_OPEN,
        Rights::All,
        || what_comes_late_or_again_is_told(SocketKind::Datagram),
    );
}

#[test]
fn a_flood_of_copies_is_told_eight_times_and_counted() {
    inside(
        "afterwards::a_flood_of_copies_is_told_eight_times_and_counted",
        SILENT,
        Rights::All,
        || {
            const COPIES: u64 = 5_000;
            let responder = Responder::open();
            let (engine, given) = start(SocketKind::Raw);
            engine.submit(&mut vec![patient(1, "127.0.0.2")]).unwrap();
            let asked = responder.next();
            let genuine = answer(&asked.icmp, |_| ());
            for _ in 0..=COPIES {
                responder.send(asked.peer, asked.source, &[], &genuine);
            }
            reply(end(&given).outcome);
            // The next completion comes after all of them.
            engine.submit(&mut vec![patient(2, "127.0.0.2")]).unwrap();
            let asked = responder.next();
            responder.send(asked.peer, asked.source, &[], &answer(&asked.icmp, |_| ()));
            let mut told = 0;
            loop {
                match given.recv_timeout(PATIENCE).expect("the second completion") {
                    Given::After(word) => {
                        assert_eq!((word.token, word.kind), (1, AfterwordKind::Duplicate));
                        told += 1;
                    }
                    Given::End(end) => {
                        assert_eq!(end.token, 2);
                        break;
                    }
                }
            }
            let stats = engine.stop();
            assert_eq!(stats.duplicate, COPIES, "{stats:?}");
            assert_eq!((told, stats.untold), (8, COPIES - 8), "{stats:?}");
        },
    );
}
