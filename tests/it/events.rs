//! The stream of events as a page sees it: what it tells, how often, how it goes on after a break, and what slow readers cost.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::cluster;
use crate::pingu::{Home, PATIENCE, Pingu};

const TARGETS: &str = "\
targets:
  - {name: lo, type: icmp, host: 127.0.0.1, interval_seconds: 0.2, timeout_ms: 200}
  - {name: train, type: icmp, host: 127.0.0.1, packets: 3, packet_interval_ms: 20, interval_seconds: 0.2, timeout_ms: 150}
  - {name: closed, type: tcp, host: 127.0.0.1, port: 1, interval_seconds: 1}
";

/// A stream that is open.
struct Events {
    lines: BufReader<TcpStream>,
    head: String,
}

/// One message.
#[derive(Debug, Clone)]
struct Message {
    id: Option<String>,
    kind: String,
    data: Value,
}

impl Events {
    fn open(pingu: &Pingu, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(pingu.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // as HTTP/1.0, so that no chunks are between the lines
        let request = format!("GET /api/v1/events{query} HTTP/1.0\r\nHost: x\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
        }
        Self { lines, head }
    }

    /// The lines up to the next empty one; nothing when the stream has ended.
    fn block(&mut self) -> Option<Vec<String>> {
        let mut block = Vec::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap_or_default() == 0 {
                return None;
            }
            match line.trim_end() {
                "" => return Some(block),
                line => block.push(line.to_owned()),
            }
        }
    }

    /// The next block that is a message.
    fn next(&mut self) -> Message {
        loop {
            let block = self.block().expect("the stream goes on");
            let field = |name: &str| {
                let found = block.iter().find_map(|line| line.strip_prefix(name));
                found.map(str::to_owned)
            };
            if let Some(data) = field("data: ") {
                return Message {
                    id: field("id: "),
                    kind: field("event: ").expect("a kind"),
                    data: serde_json::from_str(&data).unwrap(),
                };
            }
        }
    }

    fn find(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.next();
            if wanted(&message) {
                return message;
            }
            assert!(Instant::now() < deadline, "{what}: last {message:?}");
        }
    }

    fn of_kind(&mut self, kind: &str) -> Message {
        self.find(kind, |message| message.kind == kind)
    }
}

fn number(message: &Message) -> u64 {
    let id = message.id.as_deref().expect("an id");
    id.split_once('-').unwrap().1.parse().unwrap()
}

fn id_of(pingu: &Pingu, name: &str) -> String {
    let target = pingu.json(&format!("/targets/{name}"));
    target["id"].as_str().unwrap().to_owned()
}

#[test]
fn results_are_told_as_they_come_and_twice_a_second_at_the_most() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let (lo, closed) = (id_of(&pingu, "lo"), id_of(&pingu, "closed"));
    let mut events = Events::open(&pingu, "", "Accept-Encoding: gzip, br, zstd\r\n");
    let head = events.head.to_ascii_lowercase();
    for header in [
        "200 ok",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(!head.contains("content-encoding"), "{head}");
    let mut times = Vec::new();
    let mut last = 0;
    let mut slots = Vec::new();
    while times.len() < 12 {
        let message = events.next();
        times.push(Instant::now());
        assert!(number(&message) > last, "{message:?}");
        last = number(&message);
        if message.kind == "beats" {
            for beat in message.data["beats"].as_array().unwrap() {
                let beat = beat.as_array().unwrap();
                if beat[0] == lo.as_str() {
                    assert_eq!(beat[2], "up", "{beat:?}");
                    assert!(beat[3].as_u64().is_some(), "{beat:?}");
                    slots.push(beat[1].as_i64().unwrap());
                } else if beat[0] == closed.as_str() {
                    assert_eq!(beat[2], "down", "{beat:?}");
                }
            }
        }
    }
    // a busy machine may bring two together; all of them still took their time
    let took = times[11] - times[0];
    assert!(took > Duration::from_millis(11 * 500 - 1500), "{took:?}");
    assert!(slots.len() >= 10, "{slots:?}");
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]), "{slots:?}");
    // what was told is what is stored
    pingu.until("all of them to be stored", |pingu| {
        let text = serde_json::to_string(&pingu.items("/targets/lo/results?limit=1000")).unwrap();
        let stored = slots.iter().filter(|slot| {
            let ts = pingu::model::Timestamp::from_micros(**slot).to_string();
            text.contains(&ts)
        });
        (stored.count() == slots.len()).then_some(())
    });
}

#[test]
fn a_reader_that_comes_back_goes_on_where_it_was() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let mut events = Events::open(&pingu, "", "");
    let last = events.of_kind("beats");
    let id = last.id.clone().unwrap();
    drop(events);
    for (query, headers) in [
        (String::new(), format!("Last-Event-ID: {id}\r\n")),
        (format!("?last_event_id={id}"), String::new()),
    ] {
        let mut again = Events::open(&pingu, &query, &headers);
        let next = again.next();
        assert_eq!(number(&next), number(&last) + 1, "{next:?}");
        assert_ne!(next.kind, "resync");
    }
    for unknown in ["", "x", "00000000-1", &format!("{id}999999")] {
        let mut lost = Events::open(&pingu, "", &format!("Last-Event-ID: {unknown}\r\n"));
        assert_eq!(lost.next().kind, "resync", "{unknown:?}");
        assert_ne!(lost.next().kind, "resync", "it goes on from there");
    }
    pingu.stop();
    let restarted = home.start();
    let mut other = Events::open(&restarted, "", &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(other.next().kind, "resync");
}

#[test]
fn counts_and_changes_of_the_list_are_told() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    for name in ["lo", "train", "closed"] {
        pingu.latest(name);
    }
    let mut events = Events::open(&pingu, "", "");
    let counts = |up: u64, down: u64| {
        move |message: &Message| {
            message.kind == "overview"
                && message.data
                    == serde_json::json!({"up": up, "down": down, "unknown": 0, "pending": 0})
        }
    };
    events.find("two up, one down", counts(2, 1));
    home.write_targets(&format!(
        "{TARGETS}  - {{name: new, type: icmp, host: '::1', interval_seconds: 1}}\n"
    ));
    let change = events.of_kind("targets");
    assert!(change.data["revision"].is_string(), "{change:?}");
    events.find("three up, one down", counts(3, 1));
    home.write_targets(TARGETS);
    let again = events.of_kind("targets");
    assert_ne!(change.data, again.data);
    events.find("two up again", counts(2, 1));
    // what is wrong with the file is news of the list as well, and so is that it was mended
    for targets in ["targets: 7\n", TARGETS] {
        home.write_targets(targets);
        events.of_kind("targets");
    }
}

/// Whether a message tells of an incident of `closed` that goes on, or has ended.
fn about(open: bool) -> impl Fn(&Message) -> bool {
    move |message| {
        let items = message.data["items"].as_array();
        message.kind == "incident"
            && items.into_iter().flatten().any(|item| {
                item["target_name"] == "closed"
                    && item["open"] == open
                    && item["ended_at"].is_null() == open
            })
    }
}

#[test]
fn an_incident_is_told_when_it_opens_and_when_it_ends() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    // it takes two failures: one that is mended before is none
    pingu.until("the first incident", |pingu| {
        (pingu.items("/api/v1/incidents").len() == 1).then_some(())
    });
    let mut events = Events::open(&pingu, "", "");
    events.of_kind("overview");
    let port = pingu.address.port();
    let moved = |port: u16| TARGETS.replace("port: 1,", &format!("port: {port},"));
    home.write_targets(&moved(port));
    events.find("its end", about(false));
    home.write_targets(&moved(1));
    let opened = events.find("another one", about(true));
    assert_eq!(opened.data["items"][0]["reason"], "refused", "{opened:?}");
}

#[test]
fn every_result_of_one_target_is_told_at_once_to_who_asks_for_it() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let train = id_of(&pingu, "train");
    for reference in ["train", &train] {
        let mut events = Events::open(&pingu, &format!("?packets={reference}"), "");
        let mut slots = Vec::new();
        while slots.len() < 8 {
            let packet = events.of_kind("packet");
            assert_eq!(packet.id, None);
            assert_eq!(packet.data["target_id"], train.as_str(), "{packet:?}");
            assert_eq!(packet.data["packets"]["sent"], 3, "{packet:?}");
            assert_eq!(packet.data["location"], "local");
            let ts: pingu::model::Timestamp = packet.data["ts"].as_str().unwrap().parse().unwrap();
            slots.push(ts.as_micros());
        }
        // each of them: the target is probed five times a second
        let steps: Vec<_> = slots.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let usual = steps.iter().filter(|step| **step == 200_000).count();
        assert!(usual >= 5, "{steps:?}");
    }
    let other = Events::open(&pingu, "", "");
    assert!(other.head.contains(" 200 "));
    let answer = pingu.get("/api/v1/events?packets=nobody");
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (404, Some("not_found"))
    );
}

#[test]
fn a_silent_stream_has_a_heartbeat() {
    let home = Home::new("targets: []\n");
    let pingu = home.start();
    let mut events = Events::open(&pingu, "", "");
    let began = Instant::now();
    while events.block().expect("the stream goes on") != [": alive"] {}
    println!("the first heartbeat after {:?}", began.elapsed());
}

#[test]
fn where_another_process_probes_its_results_are_told() {
    let home = Home::new(TARGETS);
    let _poller = Pingu::start(&mut home.command(&["poller"]));
    let api = Pingu::start(&mut home.command(&["api"]));
    api.latest("lo");
    api.latest("closed");
    let lo = id_of(&api, "lo");
    let mut events = Events::open(&api, "?packets=lo", "");
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let message = events.next();
        match message.kind.as_str() {
            "beats" => seen.extend(
                message.data["beats"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|beat| beat[0] == lo.as_str())
                    .map(|beat| beat[1].as_i64().unwrap()),
            ),
            "packet" => assert_eq!(message.data["target_id"], lo.as_str()),
            _ => {}
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    home.write_targets(&TARGETS.replace("closed", "shut"));
    events.of_kind("targets");
}

#[test]
fn where_another_process_probes_its_incidents_are_told() {
    let postgres = cluster::database();
    for url in ["sqlite://pingu.db", &postgres.url] {
        let home = Home::new(TARGETS);
        let half = |name: &str| Pingu::start(home.command(&[name]).env("DATABASE_URL", url));
        let (poller, api) = (half("poller"), half("api"));
        let incidents = |api: &Pingu| api.items("/api/v1/incidents").len();
        api.until("the first incident", |api| {
            (incidents(api) == 1).then_some(())
        });
        let mut events = Events::open(&api, "", "");
        // what went on at the first look is no news, and what happened before it is for readers to look at
        events.of_kind("resync");
        let moved = |port: u16| TARGETS.replace("port: 1,", &format!("port: {port},"));
        home.write_targets(&moved(api.address.port()));
        let ended = events.find("its end", |message| message.kind == "incident");
        assert!(about(false)(&ended), "{ended:?}");
        assert_eq!(ended.data["items"][0]["ended_by"], "recovered", "{ended:?}");
        home.write_targets(&moved(1));
        let opened = events.find("another one", |message| message.kind == "incident");
        assert!(about(true)(&opened), "{opened:?}");
        let opened = &opened.data["items"][0];
        let stored = &api.items("/api/v1/incidents?open=true")[0];
        for field in [
            "target_id",
            "target_name",
            "location",
            "began_at",
            "reason",
            "error",
        ] {
            assert_eq!(opened[field], stored[field], "{field}");
        }
        assert_eq!(incidents(&api), 2, "{opened}");
        drop(poller);
    }
}

#[test]
fn a_stop_ends_streams_at_once() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let mut streams: Vec<_> = (0..20).map(|_| Events::open(&pingu, "", "")).collect();
    for events in &mut streams {
        events.next();
    }
    let (status, log) = pingu.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("cut off"), "{log}");
    for events in &mut streams {
        while events.block().is_some() {}
    }
}

#[test]
fn a_reader_that_does_not_read_is_let_go_and_the_others_go_on() {
    let mut targets = "defaults: {interval_seconds: 0.5, timeout_ms: 400}\ntargets:\n".to_owned();
    for number in 0..900 {
        let (third, fourth) = (number / 250, number % 250 + 1);
        writeln!(
            targets,
            "  - {{name: t{number}, type: icmp, host: 127.9.{third}.{fourth}}}"
        )
        .unwrap();
    }
    let home = Home::new(&targets);
    let pingu = home.start();
    let mut good = Events::open(&pingu, "", "");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&pingu.address.into()).unwrap();
    let mut slow: TcpStream = socket.into();
    slow.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    pingu.until("two streams", |pingu| {
        (pingu.metric("pingu_event_streams") == 2).then_some(())
    });
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut last = 0;
    while pingu.metric("pingu_event_streams") == 2 {
        let message = good.next();
        assert!(last == 0 || number(&message) == last + 1, "{message:?}");
        last = number(&message);
        assert!(Instant::now() < deadline, "it is still there");
    }
    good.of_kind("beats");
    drop(slow);
}

#[test]
fn streams_have_a_bound_of_their_own() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let mut streams: Vec<_> = (0..1024).map(|_| Events::open(&pingu, "", "")).collect();
    assert!(streams.iter().all(|events| events.head.contains(" 200 ")));
    let answer = pingu.get("/api/v1/events");
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (503, Some("overloaded"))
    );
    assert!(answer.head.contains("retry-after"), "{}", answer.head);
    // requests have their own
    assert_eq!(pingu.get("/targets").status, 200);
    streams.pop();
    pingu.until("room for another", |pingu| {
        let again = Events::open(pingu, "", "");
        again.head.contains(" 200 ").then_some(())
    });
}
