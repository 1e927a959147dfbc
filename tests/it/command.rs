//! The command line: what it prints and how it ends.

use std::process::{Command, Output};

use crate::pingu::Home;

const ONE: &str = "targets:\n  - {name: lo, type: icmp, host: 127.0.0.1}\n";

fn run(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("running pingu");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        status.code().expect("an exit code"),
        text(stdout),
        text(stderr),
    )
}

#[test]
fn each_way_of_not_starting_has_its_line_and_its_exit_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let home = Home::new(ONE);
    let folder = home.path();
    std::fs::write(
        folder.join("bad.yaml"),
        "targets:\n  - name: x\n    tipe: icmp\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("corrupt.db"),
        "this is no database, whatever its name says\n".repeat(200),
    )
    .unwrap();
    let foreign = rusqlite::Connection::open(folder.join("foreign.db")).unwrap();
    foreign.execute_batch("CREATE TABLE targets (id)").unwrap();
    let newer = rusqlite::Connection::open(folder.join("newer.db")).unwrap();
    newer
        .execute_batch(
            "CREATE TABLE x (y); PRAGMA application_id = 1349086823; PRAGMA user_version = 99",
        )
        .unwrap();

    let cases: [(&str, &str, i32, &[&str]); 10] = [
        (
            "LISTEN",
            &taken,
            5,
            &["cannot listen on", "set LISTEN to another"],
        ),
        ("LISTEN", "nonsense", 2, &["LISTEN"]),
        ("HTTP_CONCURRENCY", "0", 2, &["HTTP_CONCURRENCY"]),
        (
            "DATABASE_URL",
            "mysql://x",
            2,
            &["DATABASE_URL", "sqlite://"],
        ),
        ("TARGETS_PATH", "missing.yaml", 3, &["missing.yaml"]),
        ("TARGETS_PATH", ".", 3, &["."]),
        (
            "TARGETS_PATH",
            "bad.yaml",
            3,
            &["bad.yaml:3:5", "did you mean"],
        ),
        (
            "DATABASE_URL",
            "sqlite://corrupt.db",
            4,
            &["corrupt.db", "not a database"],
        ),
        (
            "DATABASE_URL",
            "sqlite://foreign.db",
            4,
            &["foreign.db", "another program"],
        ),
        (
            "DATABASE_URL",
            "sqlite://newer.db",
            4,
            &["newer.db", "version 99"],
        ),
    ];
    for (setting, value, code, words) in cases {
        let (status, _, stderr) = run(home.command(&[]).env(setting, value));
        assert_eq!(status, code, "{setting}={value}: {stderr}");
        for word in words {
            assert!(
                stderr.contains(word),
                "{setting}={value} should say {word:?}: {stderr}"
            );
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    let missing = "sqlite:///no/such/folder/pingu.db";
    let (status, _, stderr) = run(home.command(&[]).env("DATABASE_URL", missing));
    assert_eq!(status, 4, "{stderr}");
}

#[test]
fn a_locked_database_is_named_as_such() {
    let home = Home::new(ONE);
    let holder = rusqlite::Connection::open(home.path().join("pingu.db")).unwrap();
    holder
        .execute_batch("PRAGMA journal_mode = wal; BEGIN EXCLUSIVE")
        .unwrap();
    let (status, _, stderr) = run(&mut home.command(&[]));
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains("locked by another program"), "{stderr}");
}

#[test]
fn check_tells_what_a_file_would_change_and_changes_nothing() {
    let home = Home::new(ONE);
    let (status, stdout, stderr) = run(&mut home.command(&["check"]));
    assert_eq!(status, 0, "{stderr}");
    assert!(
        stdout.contains("targets.yaml is valid: 1 target"),
        "{stdout}"
    );
    assert!(!home.path().join("pingu.db").exists(), "nothing is created");

    let pingu = home.start();
    pingu.latest("lo");
    home.write_targets("targets:\n  - {name: lo, type: icmp, host: 127.0.0.2}\n  - {name: new, type: icmp, host: 127.0.0.1}\n");
    std::fs::write(home.path().join("other.yaml"), "targets: []\n").unwrap();
    let (status, stdout, _) = run(&mut home.command(&["check", "other.yaml"]));
    assert_eq!(status, 0);
    assert!(stdout.contains("- lo"), "{stdout}");
    pingu.latest("new");
    assert_eq!(pingu.items("/targets").len(), 2);
    pingu.stop();

    let (status, stdout, _) = run(&mut home.command(&["check", "--json"]));
    assert_eq!(status, 0);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["valid"], true);
    assert_eq!(report["changes"], serde_json::json!([]));

    std::fs::write(
        home.path().join("bad.yaml"),
        "targets:\n  - {name: x, type: icmp}\n",
    )
    .unwrap();
    let (status, _, stderr) = run(&mut home.command(&["check", "bad.yaml"]));
    assert_eq!(status, 3);
    assert!(
        stderr.contains("bad.yaml:2:5") && stderr.contains("host"),
        "{stderr}"
    );
    let (status, stdout, _) = run(&mut home.command(&["check", "--json", "bad.yaml"]));
    assert_eq!(status, 3);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn probe_measures_once_and_its_exit_code_is_the_outcome() {
    let home = Home::new(ONE);
    let (status, stdout, stderr) = run(&mut home.command(&["probe", "127.0.0.1"]));
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert!(stdout.starts_with("127.0.0.1  up  "), "{stdout}");

    let pingu = home.start();
    let url = format!("http://{}/health", pingu.address);
    let (status, stdout, _) = run(&mut home.command(&["probe", &url]));
    assert_eq!(status, 0, "{stdout}");
    for word in [
        "up  200",
        "connect",
        "first byte",
        "transfer",
        "127.0.0.1",
        "content-type: application/json",
    ] {
        assert!(stdout.contains(word), "{stdout}");
    }
    let (status, stdout, _) = run(&mut home.command(&["probe", "--json", &format!("{url}x/")]));
    assert_eq!(status, 0);
    let page: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(page["status_code"], 200);
    let headers = page["headers"].as_array().unwrap();
    assert!(headers.iter().any(|it| it["name"] == "content-type"));

    let (status, stdout, _) = run(&mut home.command(&["probe", "http://127.0.0.1:1/"]));
    assert_eq!(status, 1);
    assert!(stdout.contains("refused"), "{stdout}");
    let (status, _, stderr) = run(&mut home.command(&["probe", "gopher://127.0.0.1/"]));
    assert_eq!(status, 2);
    assert!(stderr.contains("http://"), "{stderr}");
}

#[test]
fn probe_goes_on_for_as_many_rounds_as_asked() {
    let home = Home::new("targets: []\n");
    let ping = ["probe", "--icmp", "-c", "4", "-i", "0.02", "127.0.0.1"];
    let (status, stdout, _) = run(&mut home.command(&ping));
    assert_eq!(status, 0, "{stdout}");
    assert!(stdout.contains("4 sent, 4 answered, 0 % lost"), "{stdout}");
    let (status, stdout, _) = run(home.command(&ping).arg("--json"));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(status, 0);
    assert_eq!(
        (&report["sent"], &report["received"]),
        (&4.into(), &4.into())
    );
    assert_eq!(report["latencies_us"].as_array().unwrap().len(), 4);
    let refused = ["probe", "-c", "2", "-i", "0.02", "http://127.0.0.1:1/"];
    let (status, stdout, _) = run(&mut home.command(&refused));
    assert_eq!(status, 1);
    assert!(
        stdout.contains("2 sent, 0 answered, 100 % lost"),
        "{stdout}"
    );
}

#[test]
fn a_sweep_finds_who_answers_in_a_network() {
    let home = Home::new("targets: []\n");
    let (status, stdout, _) = run(&mut home.command(&["probe", "127.0.9.0/28"]));
    assert_eq!(status, 0, "{stdout}");
    assert!(stdout.contains("14 of 14 addresses answered"), "{stdout}");
    let (_, stdout, _) = run(&mut home.command(&["probe", "--json", "::1/128"]));
    let found: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(found[0]["outcome"], "up", "{stdout}");
    let (status, _, stderr) = run(&mut home.command(&["probe", "10.0.0.0/8"]));
    assert_eq!(status, 2);
    assert!(stderr.contains("sweep /16 or less"), "{stderr}");
}

#[test]
fn doctor_tells_what_is_wrong_and_how_to_mend_it() {
    let home = Home::new("targets:\n  - {name: a, type: icmp, host: 127.0.0.1}\n");
    let (status, stdout, _) = run(&mut home.command(&["doctor"]));
    assert_eq!(status, 0, "{stdout}");
    assert!(stdout.contains("✓ IPv4 socket"), "{stdout}");
    assert!(!home.path().join("pingu.db").exists(), "it changes nothing");
    home.write_targets("targets: 1\n");
    let mut sick = home.command(&["doctor", "--json"]);
    sick.env("DATABASE_URL", "postgres://127.0.0.1:1/nowhere");
    let (status, stdout, _) = run(&mut sick);
    assert_eq!(status, 1, "{stdout}");
    let findings: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    for (name, fix) in [
        ("database", "see DATABASE_URL"),
        ("targets file", "pingu check targets.yaml"),
    ] {
        let finding = findings
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == name);
        let finding = finding.unwrap();
        assert_eq!(
            (&finding["state"], &finding["fix"][0]),
            (&"bad".into(), &fix.into())
        );
    }
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let home = Home::new(ONE);
    let (status, stdout, _) = run(&mut home.command(&["--help"]));
    assert_eq!(status, 0);
    insta::assert_snapshot!(stdout);
    let (status, _, stderr) = run(&mut home.command(&["prob"]));
    assert_eq!(status, 2);
    assert!(stderr.contains("'probe'"), "{stderr}");
}
