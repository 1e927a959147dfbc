//! Pingu as its users run it: started, reconfigured, stopped, killed and started again.

use std::time::Duration;

use serde_json::Value;

use crate::pingu::{Home, Pingu};

fn ping(name: &str, host: &str, interval: f64) -> String {
    let timeout = (interval * 800.0) as u64;
    format!(
        "  - {{name: {name}, type: icmp, host: '{host}', interval_seconds: {interval}, timeout_ms: {timeout}}}\n"
    )
}

fn file(targets: &[String]) -> String {
    format!("targets:\n{}", targets.concat())
}

fn names(items: &[Value], field: &str) -> Vec<String> {
    items
        .iter()
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

fn results(pingu: &Pingu, name: &str) -> Vec<Value> {
    pingu.items(&format!("/targets/{name}/results?limit=1000"))
}

/// Microseconds since 1970 of a result's slot.
fn slot(result: &Value) -> i64 {
    let slot: pingu::model::Timestamp = result["ts"].as_str().unwrap().parse().unwrap();
    slot.as_micros()
}

#[test]
fn every_target_is_probed_within_two_seconds_whatever_its_interval() {
    let targets: Vec<_> = (0..200)
        .map(|n| ping(&format!("t{n}"), &format!("127.1.0.{n}"), 30_000_000.0))
        .collect();
    let home = Home::new(&file(&targets));
    let pingu = home.start();
    let latest = pingu.until("all targets", |pingu| {
        let latest = pingu.items("/results/latest-by-target");
        (latest.len() == 200).then_some(latest)
    });
    let slots: Vec<_> = latest.iter().map(slot).collect();
    let span = slots.iter().max().unwrap() - slots.iter().min().unwrap();
    assert!(
        span <= 2_000_000,
        "the slots of the first look lie within two seconds: {span} µs"
    );
    assert!(
        latest
            .iter()
            .all(|it| it["success"] == true && it["latency_us"].as_i64().unwrap() > 0)
    );
}

#[test]
fn ipv4_and_ipv6_are_measured() {
    let home = Home::new(&file(&[
        ping("four", "127.0.0.1", 0.5),
        ping("six", "::1", 0.5),
        ping("name", "localhost", 0.5),
    ]));
    let pingu = home.start();
    for name in ["four", "six", "name"] {
        let result = pingu.latest(name);
        assert_eq!(result["outcome"], "up", "{result}");
        assert!(result["latency_us"].as_i64().unwrap() > 0, "{result}");
    }
    assert_eq!(pingu.latest("six")["resolved_ip"], "::1");
}

#[test]
fn a_train_of_packets_is_one_result_that_keeps_each_round_trip() {
    let train = |name: &str, host: &str| {
        format!(
            "  - {{name: {name}, type: icmp, {host}, interval_seconds: 0.5, packets: 5, packet_interval_ms: 20, timeout_ms: 300}}\n"
        )
    };
    let home = Home::new(&file(&[
        train("four", "host: 127.0.0.1"),
        train("six", "host: '::1'"),
        // no address of this machine: no packet was sent, and so none was lost
        train("nowhere", "host: 127.0.0.1, source: 203.0.113.7"),
    ]));
    let pingu = home.start();
    for name in ["four", "six"] {
        let result = pingu.latest(name);
        let packets = &result["packets"];
        assert_eq!(result["outcome"], "up", "{result}");
        assert_eq!(
            (packets["sent"].as_i64(), packets["received"].as_i64()),
            (Some(5), Some(5))
        );
        assert_eq!(packets["rtts_us"].as_array().unwrap().len(), 5, "{result}");
        assert_eq!(result["latency_us"], packets["median_us"], "{result}");
        assert!(packets["jitter_us"].as_i64().is_some(), "{result}");
        assert_eq!(result["lossy"], false);
    }
    let nowhere = pingu.latest("nowhere");
    assert_eq!(nowhere["outcome"], "unknown", "{nowhere}");
    assert_eq!(nowhere["packets"], Value::Null, "{nowhere}");
    // every packet is a latency of the summary
    let summary = pingu.until("a few results", |pingu| {
        let summary = pingu.json("/summary/four?window=1h");
        (summary["total_probes"].as_i64()? >= 3).then_some(summary)
    });
    assert_eq!(summary["loss_percent"], 0.0, "{summary}");
}

#[test]
fn slots_are_an_interval_apart_and_none_is_missing() {
    let home = Home::new(&file(&[ping("a", "127.0.0.1", 0.2)]));
    let pingu = home.start();
    let found = pingu.until("twenty results", |pingu| {
        let found = results(pingu, "a");
        (found.len() >= 20).then_some(found)
    });
    let slots: Vec<_> = found.iter().rev().map(slot).collect();
    let missed = pingu.metric("pingu_slots_missed_total");
    let gaps = slots.windows(2).map(|pair| pair[1] - pair[0]);
    let skipped: i64 = gaps
        .map(|gap| {
            assert_eq!(gap % 200_000, 0, "{slots:?}");
            gap / 200_000 - 1
        })
        .sum();
    assert!(
        skipped <= missed,
        "{skipped} slots have no result, {missed} are counted"
    );
}

#[test]
fn an_edited_file_is_applied_without_a_restart_and_a_bad_one_changes_nothing() {
    let (a, b) = (ping("a", "127.0.0.1", 0.5), ping("b", "127.0.0.2", 0.5));
    let home = Home::new(&file(std::slice::from_ref(&a)));
    let pingu = home.start();
    let id = pingu.latest("a")["target_id"].clone();

    home.write_targets(&file(&[a.clone(), b.clone()]));
    assert_eq!(pingu.latest("b")["outcome"], "up");

    home.write_targets("targets:\n  - name: a\n    type: icpm\n");
    pingu.until("the complaint", |pingu| {
        let log = pingu.log();
        (log.contains("targets.yaml:3:") && log.contains("icmp")).then_some(())
    });
    assert_eq!(names(&pingu.items("/targets"), "name"), ["a", "b"]);
    let before = results(&pingu, "b").len();
    pingu.until("probing to go on", |pingu| {
        (results(pingu, "b").len() > before + 1).then_some(())
    });
    assert_eq!(pingu.metric("pingu_config_valid"), 0);

    home.write_targets("");
    home.write_targets(&file(std::slice::from_ref(&b)));
    pingu.until("a to be disabled", |pingu| {
        (names(&pingu.items("/targets"), "name") == ["b"]).then_some(())
    });
    assert_eq!(
        names(&pingu.items("/targets?status=disabled"), "name"),
        ["a"]
    );
    assert!(
        !results(&pingu, "a").is_empty(),
        "its history stays readable"
    );
    assert_eq!(pingu.metric("pingu_config_valid"), 1);

    home.write_targets(&file(&[b, a]));
    pingu.until("a to be back", |pingu| {
        (names(&pingu.items("/targets"), "name") == ["a", "b"]).then_some(())
    });
    assert_eq!(pingu.json("/targets/a")["id"], id);
}

#[test]
fn sighup_reads_the_file_again() {
    let home = Home::new(&file(&[ping("a", "127.0.0.1", 0.5)]));
    let pingu = home.start();
    home.write_targets(&file(&[ping("b", "127.0.0.1", 0.5)]));
    pingu.signal("HUP");
    pingu.latest("b");
}

#[test]
fn a_restart_keeps_ids_history_and_phases() {
    let home = Home::new(&file(&[ping("a", "127.0.0.1", 0.5)]));
    let pingu = home.start();
    let before = pingu.until("results", |pingu| {
        let found = results(pingu, "a");
        (found.len() >= 4).then_some(found)
    });
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");

    let pingu = home.start();
    let after = pingu.until("new results", |pingu| {
        let found = results(pingu, "a");
        (found.len() >= before.len() + 6).then_some(found)
    });
    assert_eq!(after[0]["target_id"], before[0]["target_id"]);
    assert!(
        before.iter().all(|old| after.contains(old)),
        "the history is whole"
    );
    assert_eq!(
        slot(&after[0]) % 500_000,
        slot(&before[0]) % 500_000,
        "the phase is the same"
    );
}

#[test]
fn a_stop_stores_what_was_measured() {
    let home = Home::new(&file(
        &(0..50)
            .map(|n| ping(&format!("t{n}"), "127.0.0.1", 0.1))
            .collect::<Vec<_>>(),
    ));
    let pingu = home.start();
    pingu.until("results", |pingu| {
        (pingu.metric("pingu_results_produced_total") > 500).then_some(())
    });
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    let figure = |name: &str| -> i64 {
        let (_, rest) = log.split_once(name).expect("the last line has the figure");
        let word = rest.split_whitespace().next().expect("a figure");
        word.parse().expect("a number")
    };
    let stored = figure("results_stored=");
    assert_eq!(stored, figure("results_produced="), "{log}");
    assert!(stored > 500);
    let database = rusqlite::Connection::open(home.path().join("pingu.db")).unwrap();
    let days: Vec<i64> = database
        .prepare("SELECT day FROM days")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let rows: i64 = days
        .iter()
        .map(|day| {
            database
                .query_row(&format!("SELECT count(*) FROM results_{day}"), [], |row| {
                    row.get::<_, i64>(0)
                })
                .unwrap()
        })
        .sum();
    assert_eq!(rows, stored);
}

#[test]
fn a_killed_pingu_leaves_a_database_that_opens_and_loses_no_more_than_a_flush() {
    let home = Home::new(&file(
        &(0..20)
            .map(|n| ping(&format!("t{n}"), "127.0.0.1", 0.1))
            .collect::<Vec<_>>(),
    ));
    let mut newest = 0;
    for round in 0..5_u32 {
        let pingu = home.start();
        let first = pingu.until("a newer result", |pingu| {
            pingu
                .items("/results/latest?limit=1")
                .first()
                .map(slot)
                .filter(|slot| *slot > newest)
        });
        std::thread::sleep(Duration::from_millis(u64::from(round * 137 % 400)));
        newest = pingu
            .items("/results/latest?limit=1")
            .first()
            .map_or(first, slot);
        pingu.kill();
    }
    let pingu = home.start();
    let kept: Vec<_> = pingu
        .items("/results/latest?limit=1000")
        .iter()
        .map(slot)
        .collect();
    assert!(kept.contains(&newest), "what a reader saw is still there");
}

#[test]
fn a_probe_under_way_ends_before_the_stop_does() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let home = Home::new(&format!(
        "targets:\n  - {{name: silent, type: http, url: '{url}', interval_seconds: 3600, timeout_ms: 3600000}}\n"
    ));
    let pingu = home.start();
    let (connection, _) = silent.accept().unwrap();
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    drop(connection);
    let pingu = home.start();
    let found = pingu.until("the result", |pingu| {
        results(pingu, "silent").into_iter().next()
    });
    assert_eq!(
        (&found["outcome"], &found["reason"]),
        (&Value::from("unknown"), &Value::from("local")),
        "{found}"
    );
}

#[test]
fn without_permission_a_ping_is_unknown_and_says_what_to_do() {
    let home = Home::new(&file(&[ping("lo", "127.0.0.1", 0.5)]));
    // anybody may work there, and run a copy of the program from there
    std::fs::set_permissions(
        home.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let binary = home.path().join("pingu");
    std::fs::copy(home.command(&[]).get_program(), &binary).unwrap();
    // a new network namespace lets nobody open ping sockets, whatever this machine allows
    let arguments = "--net setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs --";
    let run = |arguments: Vec<&str>| {
        std::process::Command::new("unshare")
            .args(arguments)
            .current_dir(home.path())
            .env("LISTEN", "127.0.0.1:0")
            .output()
            .expect("running unshare")
    };
    let path = binary.to_str().unwrap();
    let mut probe: Vec<_> = arguments.split(' ').collect();
    probe.extend([path, "probe", "127.0.0.1"]);
    let output = run(probe);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("unknown"), "{output:?}");
    assert!(
        said.contains("sysctl -w net.ipv4.ping_group_range"),
        "{said}"
    );

    // the service starts all the same, and keeps what it could not measure
    let mut service: Vec<_> = vec!["--net", "timeout", "--signal=TERM", "4"];
    service.extend(arguments.split(' ').skip(1));
    service.push(path);
    let output = run(service);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("reason=local"), "{log}");
    let pingu = home.start();
    let results = results(&pingu, "lo");
    let unknown: Vec<_> = results
        .iter()
        .filter(|result| result["outcome"] == "unknown")
        .collect();
    assert!(!unknown.is_empty(), "{results:?}\n{log}");
    for result in unknown {
        assert_eq!(
            (&result["reason"], &result["success"]),
            (&Value::from("local"), &Value::from(false))
        );
    }
}
