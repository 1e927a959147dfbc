//! Incidents through the real program: opened, resolved, removed and taken over with the slots that results had.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::account::{come_to_rest, database};
use crate::cluster::{self, Cluster};
use crate::pingu::{Home, Pingu};

/// A web server that can be stopped and started again at one address.
struct Shop {
    address: SocketAddr,
    open: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Shop {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut shop = Self {
            address: listener.local_addr().unwrap(),
            open: None,
        };
        shop.serve(listener);
        shop
    }

    fn serve(&mut self, listener: TcpListener) {
        use std::io::{Read, Write};
        let closing = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closing);
        let serving = std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let mut request = [0; 1024];
                // whoever asked may have gone
                let _ = stream.read(&mut request);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
            }
        });
        self.open = Some((closing, serving));
    }

    fn close(&mut self) {
        if let Some((closing, serving)) = self.open.take() {
            closing.store(true, Ordering::SeqCst);
            // wakes the one who waits for the next
            let _ = std::net::TcpStream::connect(self.address);
            serving.join().unwrap();
        }
    }

    fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.serve(listener);
    }

    fn targets(&self, more: &str) -> String {
        format!(
            "defaults: {{interval_seconds: 0.2, timeout_ms: 200}}\ntargets:\n  - {{name: shop, type: http, url: 'http://{}/'}}\n{more}",
            self.address
        )
    }
}

fn incidents(pingu: &Pingu, query: &str) -> Vec<Value> {
    pingu.items(&format!("/api/v1/incidents{query}"))
}

/// The only incident that goes on, once there is one.
fn open(pingu: &Pingu, name: &str) -> Value {
    pingu.until(&format!("an incident of {name}"), |pingu| {
        let open = incidents(pingu, &format!("?target={name}&open=true"));
        assert!(open.len() <= 1, "{open:?}");
        open.into_iter().next()
    })
}

/// The incident once it has ended.
fn ended(pingu: &Pingu, id: &Value) -> Value {
    pingu.until(&format!("the end of incident {id}"), |pingu| {
        let incident = pingu.json(&format!("/api/v1/incidents/{id}"));
        (!incident["ended_at"].is_null()).then_some(incident)
    })
}

/// Slots and outcomes of a target, the oldest first.
fn history(pingu: &Pingu, name: &str) -> Vec<(String, String)> {
    let items = pingu.items(&format!("/targets/{name}/results?limit=1000"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read = items
        .iter()
        .rev()
        .map(|it| (text(&it["ts"]), text(&it["outcome"])));
    read.collect()
}

/// Where an incident begins, opens and ends by this history, and how many failures it has: the first one of the list.
fn expected(history: &[(String, String)], need: usize) -> Option<(String, String, String, u64)> {
    let known: Vec<_> = history.iter().filter(|it| it.1 != "unknown").collect();
    let run = |from: usize, outcome: &str| {
        let rest = known.get(from..from + need)?;
        rest.iter().all(|it| it.1 == outcome).then_some(from)
    };
    let began = (0..known.len()).find_map(|from| run(from, "down"))?;
    let ended = (began..known.len()).find_map(|from| run(from, "up"))?;
    let failed = known[began..ended].iter().filter(|it| it.1 == "down");
    let slot = |at: usize| known[at].0.clone();
    Some((
        slot(began),
        slot(began + need - 1),
        slot(ended),
        failed.count() as u64,
    ))
}

/// The same, once the results are stored: they may come after the incident.
fn told(pingu: &Pingu, name: &str) -> (String, String, String, u64) {
    pingu.until("the results of an incident", |pingu| {
        expected(&history(pingu, name), 2)
    })
}

fn shape(incident: &Value) -> (String, String, String, u64) {
    let text = |key: &str| incident[key].as_str().unwrap_or_default().to_owned();
    let failed = incident["failed_results"].as_u64().unwrap();
    (
        text("began_at"),
        text("opened_at"),
        text("ended_at"),
        failed,
    )
}

#[test]
fn a_server_that_stops_and_starts_is_one_incident_with_the_slots_of_its_results() {
    let mut shop = Shop::open();
    let home = Home::new(&shop.targets(""));
    let pingu = home.start();
    assert_eq!(pingu.latest("shop")["outcome"], "up");
    shop.close();
    let found = open(&pingu, "shop");
    assert_eq!(found["open"], true);
    assert_eq!(
        (&found["reason"], &found["ended_at"], &found["ended_by"]),
        (&"refused".into(), &Value::Null, &Value::Null)
    );
    assert!(found["duration_seconds"].as_f64().unwrap() > 0.0, "{found}");
    shop.reopen();
    let story = ended(&pingu, &found["id"]);
    assert_eq!(story["ended_by"], "recovered");
    assert_eq!(shape(&story), told(&pingu, "shop"));
    let steps: Vec<_> = story["steps"].as_array().unwrap().iter().collect();
    let names: Vec<_> = steps
        .iter()
        .map(|it| it["what"].as_str().unwrap())
        .collect();
    assert_eq!(names.first(), Some(&"began"), "{story}");
    assert_eq!(names.last(), Some(&"recovered"), "{story}");
    assert!(names.contains(&"opened"), "{story}");
    assert_eq!(steps[0]["ts"], story["began_at"]);

    assert_eq!(incidents(&pingu, "?open=true"), [] as [Value; 0]);
    assert_eq!(incidents(&pingu, "?open=false").len(), 1);
    assert_eq!(pingu.items("/api/v1/targets/shop/incidents").len(), 1);
    let metrics = pingu.get("/metrics").body;
    for line in [
        "pingu_incidents_opened_total 1",
        "pingu_incidents_ended_total{by=\"recovered\"} 1",
        "pingu_incidents_ended_total{by=\"removed\"} 0",
        "pingu_incidents_dropped_total 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    pingu.until("the figure of open ones", |pingu| {
        (pingu.metric("pingu_incidents_open") == 0).then_some(())
    });
}

#[test]
fn a_target_that_flaps_within_its_rule_is_no_incident_and_unknown_is_none() {
    let mut shop = Shop::open();
    let home = Home::new(&shop.targets(
        "  - {name: nowhere, type: icmp, host: 127.0.0.1, source: 203.0.113.7, fail_after: 1}\n  \
         - {name: steady, type: icmp, host: 127.0.0.1, fail_after: 1}\n",
    ).replace("name: shop,", "name: shop, fail_after: 100, recover_after: 100,"));
    let pingu = home.start();
    pingu.latest("shop");
    for _ in 0..3 {
        shop.close();
        pingu.until("a failure", |pingu| {
            (pingu.latest("shop")["outcome"] == "down").then_some(())
        });
        shop.reopen();
        pingu.until("an answer", |pingu| {
            (pingu.latest("shop")["outcome"] == "up").then_some(())
        });
    }
    pingu.until("unknown results", |pingu| {
        let results = history(pingu, "nowhere");
        assert!(results.iter().all(|it| it.1 == "unknown"), "{results:?}");
        (results.len() > 5).then_some(())
    });
    assert_eq!(incidents(&pingu, ""), [] as [Value; 0]);
    assert_eq!(pingu.metric("pingu_incidents_opened_total"), 0);
}

#[test]
fn a_target_that_is_removed_or_disabled_ends_its_incident_and_comes_back_with_none() {
    let gate = "  - {name: gate, type: tcp, host: 127.0.0.1, port: 1, fail_after: 1}\n";
    let shop = Shop::open();
    for (is_running, other) in [
        (true, ""),
        (false, ""),
        (
            true,
            "  - {name: gate, type: tcp, host: 127.0.0.1, port: 1, enabled: false}\n",
        ),
    ] {
        let home = Home::new(&shop.targets(gate));
        let mut pingu = home.start();
        let id = open(&pingu, "gate")["id"].clone();
        if is_running {
            home.write_targets(&shop.targets(other));
        } else {
            pingu.stop();
            home.write_targets(&shop.targets(other));
            pingu = home.start();
        }
        let story = ended(&pingu, &id);
        assert_eq!(story["ended_by"], "removed", "{story}");
        assert!(shape(&story).2 >= shape(&story).1, "{story}");
        assert_eq!(incidents(&pingu, "?open=true"), [] as [Value; 0]);
        home.write_targets(&shop.targets(gate));
        let next = open(&pingu, "gate");
        assert!(next["id"].as_i64() > id.as_i64(), "{next} after {id}");
        assert!(shape(&next).0 > shape(&story).2, "{next} after {story}");
    }
}

#[test]
fn an_incident_outlives_a_stop_and_a_kill_and_is_resolved_with_the_same_id() {
    let postgres = cluster::database();
    for url in [None, Some(postgres.url.as_str())] {
        let mut shop = Shop::open();
        let home = Home::new(&shop.targets(""));
        let start = || {
            let mut command = home.command(&[]);
            if let Some(url) = url {
                command.env("DATABASE_URL", url);
            }
            Pingu::start(&mut command)
        };
        let pingu = start();
        pingu.latest("shop");
        shop.close();
        let first = open(&pingu, "shop");
        let (status, log) = pingu.stop();
        assert!(status.success(), "{log}");
        let pingu = start();
        let before = open(&pingu, "shop");
        assert_eq!(before["id"], first["id"]);
        assert_eq!(before["began_at"], first["began_at"]);
        let results = history(&pingu, "shop").len();
        pingu.until("more failures", |pingu| {
            (history(pingu, "shop").len() > results + 2).then_some(())
        });
        pingu.kill();
        let pingu = start();
        assert_eq!(open(&pingu, "shop")["id"], first["id"]);
        shop.reopen();
        let story = ended(&pingu, &first["id"]);
        assert_eq!(story["ended_by"], "recovered", "{story}");
        let (began, opened, end, _) = told(&pingu, "shop");
        let shape = shape(&story);
        assert_eq!((shape.0, shape.1, shape.2), (began, opened, end));
        assert_eq!(incidents(&pingu, "").len(), 1);
        assert!(pingu.log().contains("incidents go on"), "{}", pingu.log());
        let (status, log) = pingu.stop();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn an_outage_of_the_database_loses_no_incident_and_replayed_results_open_none() {
    let mut cluster = Cluster::start(&[]);
    let url = cluster.socket_url("postgres");
    let mut shop = Shop::open();
    let home = Home::new(&shop.targets(""));
    let pingu = Pingu::start(home.command(&[]).env("DATABASE_URL", &url));
    pingu.latest("shop");
    cluster.stop_hard();
    pingu.until("results in the spool", |pingu| {
        (pingu.metric("pingu_results_spooled") > 0).then_some(())
    });
    // one begins and ends while nobody can write it down, another one only begins
    for times in 1..=2 {
        shop.close();
        pingu.until("an incident", |pingu| {
            (pingu.metric("pingu_incidents_opened_total") == times).then_some(())
        });
        if times == 1 {
            shop.reopen();
            pingu.until("its end", |pingu| {
                (pingu.metric("pingu_incidents_ended_total") == times).then_some(())
            });
        }
    }
    pingu.until("both to wait", |pingu| {
        (pingu.metric("pingu_incidents_waiting") == 2).then_some(())
    });
    cluster.start_again();
    pingu.until("both incidents", |pingu| {
        let answer = pingu.get("/api/v1/incidents");
        let items = (answer.status == 200).then(|| answer.json()["items"].clone());
        (items?.as_array()?.len() == 2).then_some(())
    });
    let before = incidents(&pingu, "");
    let flags = [&before[0]["open"], &before[1]["open"]];
    assert_eq!(flags, [true, false]);
    // removes the target
    come_to_rest(&home, &pingu);
    let opened = pingu.metric("pingu_incidents_opened_total");
    assert_eq!(opened, 2, "what was replayed is history");
    let found = incidents(&pingu, "");
    assert_eq!(found.len(), 2);
    let ends = [&found[0]["ended_by"], &found[1]["ended_by"]];
    assert_eq!(ends, ["removed", "recovered"]);
    assert_eq!(pingu.metric("pingu_incidents_dropped_total"), 0);
}

#[test]
fn a_start_without_the_database_goes_on_with_the_incident_that_it_holds() {
    let mut cluster = Cluster::start(&[]);
    let url = cluster.socket_url("postgres");
    let mut shop = Shop::open();
    let home = Home::new(&shop.targets(""));
    let start = || Pingu::start(home.command(&[]).env("DATABASE_URL", &url));
    let pingu = start();
    pingu.latest("shop");
    shop.close();
    let first = open(&pingu, "shop");
    pingu.stop();
    // this server is not asked to be durable
    cluster::sql(&url, "CHECKPOINT");
    cluster.stop_hard();
    let pingu = start();
    // to this process it looks like a new one
    pingu.until("an incident", |pingu| {
        (pingu.metric("pingu_incidents_opened_total") == 1).then_some(())
    });
    cluster.start_again();
    pingu.until("the database", |pingu| {
        (pingu.get("/readyz").status == 200).then_some(())
    });
    pingu.until("incidents to be written", |pingu| {
        pingu.log().contains("incidents go on").then_some(())
    });
    shop.reopen();
    let story = ended(&pingu, &first["id"]);
    assert_eq!(story["began_at"], first["began_at"], "{story}");
    assert_eq!(incidents(&pingu, "").len(), 1);
}

#[test]
fn pages_of_incidents_follow_each_other_and_filters_are_checked() {
    let shop = Shop::open();
    let home = Home::new(
        &shop.targets("  - {name: gate, type: tcp, host: 127.0.0.1, port: 1, fail_after: 1}\n"),
    );
    let pingu = home.start();
    open(&pingu, "gate");
    pingu.stop();
    // a year of one incident a day, of another location, that touch each other
    let database = database(&home);
    database
        .execute_batch(
            "INSERT INTO locations (name) VALUES ('paris');
             WITH RECURSIVE day(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM day WHERE n < 299)
             INSERT INTO incidents (target_key, location_key, began_at, opened_at, last_failed_at, ended_at, ended_by, failed,
                                    reason, error, last_reason, last_error, changes)
             SELECT t.key, l.key, n / 2 * 1000000, n / 2 * 1000000, n / 2 * 1000000, n / 2 * 1000000 + 1000000, 'recovered', 1,
                    'timeout', '', 'timeout', '', '{\"omitted\":0,\"kept\":[]}'
             FROM day JOIN targets AS t ON t.name = CASE n % 2 WHEN 0 THEN 'shop' ELSE 'gate' END
             JOIN locations AS l ON l.name = 'paris'",
        )
        .unwrap();
    drop(database);
    let pingu = home.start();
    let whole = incidents(&pingu, "?limit=1000");
    assert_eq!(whole.len(), 301);
    for filter in [
        "",
        "&target=gate",
        "&open=false",
        "&until=1970-01-01T00:01:00Z",
    ] {
        let whole = incidents(&pingu, &format!("?limit=1000{filter}"));
        let (mut read, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = pingu.json(&format!("/api/v1/incidents?limit=7{filter}{cursor}"));
            read.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        let ids = |items: &[Value]| -> Vec<_> { items.iter().map(|it| it["id"].clone()).collect() };
        assert_eq!(ids(&read), ids(&whole), "{filter}");
    }
    // half open on both sides: one ends where the next begins
    let second = "since=1970-01-01T00:00:05Z&until=1970-01-01T00:00:06Z";
    let within = incidents(&pingu, &format!("?{second}"));
    assert_eq!(within.len(), 2, "{within:?}");
    assert!(
        within
            .iter()
            .all(|it| it["began_at"] == "1970-01-01T00:00:05.000000Z")
    );
    let cursor = pingu.json("/api/v1/incidents?limit=1")["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    for (path, status, code) in [
        ("/api/v1/incidents?open=maybe", 400, "invalid_open"),
        ("/api/v1/incidents?open=", 400, "invalid_open"),
        ("/api/v1/incidents?limit=0", 400, "invalid_limit"),
        ("/api/v1/incidents?since=x", 400, "invalid_time"),
        ("/api/v1/incidents?cursor=x", 400, "invalid_cursor"),
        (
            &format!("/api/v1/incidents?open=true&cursor={cursor}"),
            400,
            "invalid_cursor",
        ),
        (
            &format!("/api/v1/targets/gate/incidents?cursor={cursor}"),
            400,
            "invalid_cursor",
        ),
        ("/api/v1/incidents?target=nobody", 404, "not_found"),
        ("/api/v1/targets/nobody/incidents", 404, "not_found"),
        ("/api/v1/incidents/0", 404, "not_found"),
        ("/api/v1/incidents/99999999999999999999", 404, "not_found"),
        ("/api/v1/incidents/one", 404, "not_found"),
        ("/incidents", 200, ""),
    ] {
        let answer = pingu.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        if !code.is_empty() {
            assert_eq!(answer.json()["code"], code, "{path}");
        }
    }
}

#[test]
fn a_reader_alone_shows_what_a_poller_wrote_and_writes_nothing() {
    let shop = Shop::open();
    let home = Home::new(&shop.targets("  - {name: gate, type: tcp, host: 127.0.0.1, port: 1}\n"));
    let half = |name: &str| {
        let mut command: Command = home.command(&[name]);
        Pingu::start(&mut command)
    };
    let (poller, api) = (half("poller"), half("api"));
    let found = open(&api, "gate");
    poller.stop();
    assert_eq!(open(&api, "gate")["id"], found["id"]);
    let metrics = api.get("/metrics").body;
    assert!(!metrics.contains("pingu_incidents"), "{metrics}");
}
