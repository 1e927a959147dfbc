//! The two halves in processes of their own, on one database: what each serves, and what becomes of one while the other is away.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{self, Cluster, Database, PASSWORD};
use crate::pingu::{Home, PATIENCE, Pingu, script};

const ONE: &str = "targets:\n  - {name: lo, type: icmp, host: 127.0.0.1, interval_seconds: 0.2, timeout_ms: 150}\n";

/// A half of Pingu on a database.
fn half(home: &Home, name: &str, database: &str) -> Pingu {
    Pingu::start(home.command(&[name]).env("DATABASE_URL", database))
}

fn database(is_sqlite: bool, home: &Home, postgres: &Database) -> String {
    if is_sqlite {
        return format!("sqlite://{}", home.path().join("pingu.db").display());
    }
    postgres.url.clone()
}

/// Exit code and everything that was printed.
fn run(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("running pingu");
    let text = String::from_utf8([stdout, stderr].concat()).expect("text");
    (status.code().expect("an exit code"), text)
}

fn count(pingu: &Pingu) -> u64 {
    let summary = pingu.json("/summary/lo?window=1h");
    summary["total_probes"].as_u64().expect("a count")
}

fn holds(path: &Path) -> Vec<String> {
    let names = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> = names
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_api_that_was_there_first_serves_what_a_poller_stores() {
    let postgres = cluster::database();
    for is_sqlite in [true, false] {
        let polling = Home::new(ONE);
        let url = database(is_sqlite, &polling, &postgres);
        // without a targets file, and without need of one
        let reading = Home::new("");
        std::fs::remove_file(reading.path().join("targets.yaml")).unwrap();
        let api = half(&reading, "api", &url);
        assert_eq!(api.json("/targets")["items"], Value::Array(Vec::new()));
        assert_eq!(api.json("/health")["ok"], true);
        assert_eq!(api.get("/livez").status, 200);

        let poller = half(&polling, "poller", &url);
        let latest = api.latest("lo");
        assert_eq!(latest["outcome"], "up", "{latest}");
        assert_eq!(api.json("/health")["stats"]["enabled_targets"], 1);
        assert_eq!(api.get("/").status, 200);
        let metrics = api.get("/metrics").body;
        assert!(metrics.contains("pingu_build_info{"), "{metrics}");
        assert!(!metrics.contains("pingu_results"), "{metrics}");
        assert_eq!(holds(reading.path()), [""; 0], "a reader leaves nothing");

        for path in ["/health", "/livez", "/readyz", "/version", "/metrics"] {
            assert_eq!(poller.get(path).status, 200, "{path}");
        }
        assert_eq!(poller.json("/health")["ok"], true);
        assert!(poller.metric("pingu_results_stored_total") > 0);
        assert!(poller.get("/metrics").body.contains("pingu_build_info{"));
        for path in ["/", "/targets", "/api/v1/targets", "/docs", &script()] {
            let answer = poller.get(path);
            assert_eq!(answer.status, 404, "{path}");
            let error = answer.json()["error"].as_str().unwrap().to_owned();
            assert!(error.contains("pingu api"), "{error}");
        }
        let (status, log) = poller.stop();
        assert!(status.success(), "{log}");
        let (status, log) = api.stop();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn the_api_goes_on_while_the_poller_is_killed_and_started_again() {
    let postgres = cluster::database();
    for is_sqlite in [true, false] {
        let home = Home::new(ONE);
        let url = database(is_sqlite, &home, &postgres);
        let poller = half(&home, "poller", &url);
        let api = half(&home, "api", &url);
        let id = api.latest("lo")["target_id"].clone();
        poller.kill();
        // a reload is nothing to a half that has no file
        api.signal("HUP");
        let before = count(&api);
        assert_eq!(api.get("/readyz").status, 200);
        assert!(!api.items("/targets/lo/results").is_empty());

        let poller = half(&home, "poller", &url);
        api.until("new results", |api| (count(api) > before).then_some(()));
        assert_eq!(api.latest("lo")["target_id"], id);

        // and the other way round: nobody who only reads holds up a poller
        api.kill();
        let before = poller.metric("pingu_results_stored_total");
        poller.until("probing to go on", |poller| {
            (poller.metric("pingu_results_stored_total") > before + 2).then_some(())
        });
        let (_, log) = poller.stop();
        assert!(!log.contains("goes to the spool"), "{log}");
    }
}

#[test]
fn both_halves_start_at_once_on_an_empty_database() {
    let postgres = cluster::database();
    for is_sqlite in [true, false] {
        let home = Home::new(ONE);
        let url = database(is_sqlite, &home, &postgres);
        let started = std::thread::scope(|scope| {
            ["poller", "api", "api"]
                .map(|name| scope.spawn(|| half(&home, name, &url)))
                .map(|starting| starting.join().unwrap())
        });
        for api in &started[1..] {
            api.latest("lo");
        }
    }
}

#[test]
fn only_the_poller_needs_a_targets_file_and_refuses_a_bad_one() {
    let home = Home::new("targets:\n  - {name: x, tipe: icmp}\n");
    let (code, text) = run(&mut home.command(&["poller"]));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("did you mean"), "{text}");
    assert!(!home.path().join("pingu.db").exists());
    let api = half(&home, "api", "sqlite://pingu.db");
    assert_eq!(api.get("/readyz").status, 200);
}

#[test]
fn two_halves_on_one_port_are_told_to_take_one_each() {
    let home = Home::new(ONE);
    let poller = half(&home, "poller", "sqlite://pingu.db");
    let taken = poller.address.to_string();
    let (code, text) = run(home.command(&["api"]).env("LISTEN", taken));
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("pingu poller and pingu api"), "{text}");
}

#[test]
fn migrate_says_what_it_did() {
    let postgres = cluster::database();
    for is_sqlite in [true, false] {
        let home = Home::new(ONE);
        let url = database(is_sqlite, &home, &postgres);
        let migrate = || run(home.command(&["migrate"]).env("DATABASE_URL", &url));
        let (code, text) = migrate();
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("has its schema now"), "{text}");
        let (code, text) = migrate();
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("is current: schema version"), "{text}");

        if is_sqlite {
            let database = rusqlite::Connection::open(home.path().join("pingu.db")).unwrap();
            database.execute_batch("PRAGMA user_version = 99").unwrap();
        } else {
            postgres.sql("INSERT INTO pingu_schema (version) VALUES (99)");
        }
        for command in ["migrate", "poller", "api"] {
            let (code, text) = run(home.command(&[command]).env("DATABASE_URL", &url));
            assert_eq!(code, 4, "{command}: {text}");
            assert!(text.contains("version 99"), "{command}: {text}");
        }
    }
}

#[test]
fn migrate_brings_an_older_schema_forward() {
    let home = Home::new(ONE);
    let database = rusqlite::Connection::open(home.path().join("pingu.db")).unwrap();
    let first = include_str!("../../src/storage/sql/migrations/0001_start.sqlite.sql");
    database.execute_batch(first).unwrap();
    database
        .execute_batch("PRAGMA application_id = 1349086823; PRAGMA user_version = 1")
        .unwrap();
    let (code, text) = run(&mut home.command(&["migrate"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("from schema version 1 to"), "{text}");
}

/// The log line of the wait, which names the place and no secret; and what every route says meanwhile.
fn assert_waits(pingu: &Pingu, place: &str) {
    pingu.until("the line that says so", |pingu| {
        let log = pingu.log();
        let line = log
            .lines()
            .find(|line| line.contains("waiting for the database"))?;
        assert!(line.contains(place), "{line}");
        assert!(
            !log.contains("se%40cret") && !log.contains(PASSWORD),
            "{log}"
        );
        Some(())
    });
    let asked = Instant::now();
    let health = pingu.json("/health");
    assert!(asked.elapsed() < Duration::from_secs(2), "{health}");
    assert_eq!(
        (&health["ok"], &health["db"]),
        (&false.into(), &false.into())
    );
    assert_eq!(pingu.get("/livez").status, 200);
    assert_eq!(pingu.get("/readyz").status, 503);
}

#[test]
fn a_server_that_is_away_at_the_start_is_waited_for() {
    let mut cluster = Cluster::start(&[]);
    let database = cluster.database();
    let url = cluster.tcp_url(PASSWORD, database.name());
    let place = format!("127.0.0.1:{}", cluster.port());
    cluster.stop_hard();
    let home = Home::new(ONE);
    let all = half(&home, "run", &url);
    let api = half(&home, "api", &url);
    for pingu in [&all, &api] {
        assert_waits(pingu, &place);
        let answer = pingu.get("/targets");
        assert_eq!(answer.status, 503, "{}", answer.body);
    }

    cluster.start_again();
    for pingu in [&all, &api] {
        pingu.until("the database", |pingu| {
            (pingu.get("/readyz").status == 200).then_some(())
        });
        assert_eq!(pingu.latest("lo")["outcome"], "up");
        assert!(pingu.log().contains("the database is there"));
    }
    assert_eq!(all.metric("pingu_results_dropped_total"), 0);
    for pingu in [all, api] {
        let (status, log) = pingu.stop();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn a_stop_does_not_wait_for_a_database_that_is_away() {
    // it takes connections and never answers, as a machine does that hangs
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hung = format!("127.0.0.1:{port}");
    // in a container the name of another one is unknown until that one runs
    let unknown = "no-such-host.invalid:5432";
    for (name, place) in [("run", &*hung), ("poller", unknown), ("api", &hung)] {
        let home = Home::new(ONE);
        let url = format!("postgres://pingu:se%40cret@{place}/pingu");
        let pingu = half(&home, name, &url);
        assert_waits(&pingu, place);
        let asked = Instant::now();
        let (status, log) = pingu.stop();
        assert!(status.success(), "{log}");
        assert!(asked.elapsed() < PATIENCE / 4, "{:?}", asked.elapsed());
    }
}

#[test]
fn what_a_person_has_to_mend_ends_a_start_also_after_a_wait() {
    let mut cluster = Cluster::start(&[]);
    let database = cluster.database();
    let wrong = cluster.tcp_url("wrong", database.name());
    let missing = cluster.tcp_url(PASSWORD, "nowhere");
    let home = Home::new(ONE);
    for name in ["poller", "api", "migrate"] {
        for (url, word) in [(&wrong, "check user, password"), (&missing, "createdb")] {
            let (code, text) = run(home.command(&[name]).env("DATABASE_URL", url));
            assert_eq!(code, 4, "{name}: {text}");
            assert!(text.contains(word), "{name}: {text}");
            assert!(!text.contains(":wrong@"), "{text}");
        }
    }
    cluster.stop_hard();
    let (code, text) = run(home.command(&["migrate"]).env("DATABASE_URL", &wrong));
    assert_eq!(code, 4, "a migration is not waited for: {text}");
    let pingu = half(&home, "poller", &wrong);
    assert_waits(&pingu, "127.0.0.1");
    cluster.start_again();
    let (status, log) = pingu.ended();
    assert_eq!(status.code(), Some(4), "{log}");
    assert!(log.contains("check user, password"), "{log}");
}

#[test]
fn a_server_without_writes_is_enough_to_read_from_but_not_to_poll() {
    let database = cluster::database();
    let home = Home::new(ONE);
    let (code, text) = run(home
        .command(&["migrate"])
        .env("DATABASE_URL", &database.url));
    assert_eq!(code, 0, "{text}");
    let name = database.name();
    database.sql(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    let (code, text) = run(home.command(&["poller"]).env("DATABASE_URL", &database.url));
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("read-only"), "{text}");
    let api = half(&home, "api", &database.url);
    assert_eq!(api.json("/health")["ok"], true);
    assert_eq!(api.json("/targets")["items"], Value::Array(Vec::new()));
}

#[test]
fn healthcheck_asks_the_pingu_of_its_settings() {
    let home = Home::new(ONE);
    let pingu = half(&home, "poller", "sqlite://pingu.db");
    let address = pingu.address.to_string();
    let check = |listen: &str| run(home.command(&["healthcheck"]).env("LISTEN", listen));
    assert_eq!(check(&address), (0, "alive\n".to_owned()));
    // where Pingu listens everywhere, it is asked here
    let everywhere = format!("0.0.0.0:{}", pingu.address.port());
    assert_eq!(check(&everywhere).0, 0);
    let (code, text) = check("127.0.0.1:0");
    assert_eq!(code, 2, "{text}");
    pingu.stop();
    let (code, text) = check(&address);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(&address), "{text}");
}

#[test]
fn a_start_without_the_database_probes_the_targets_that_it_knows() {
    let mut cluster = Cluster::start(&[]);
    let database = cluster.database();
    let url = cluster.tcp_url(PASSWORD, database.name());
    let home = Home::new(ONE);
    let all = half(&home, "run", &url);
    let id = all.latest("lo")["target_id"].clone();
    all.stop();
    let before = database.sql("SELECT count(*) FROM results")[0]
        .parse::<i64>()
        .unwrap();
    cluster.stop_hard();

    // twice, so that the second start finds what the first one spooled
    let poller = half(&home, "poller", &url);
    poller.until("results in the spool", |it| {
        (it.metric("pingu_results_spooled") > 3).then_some(())
    });
    let (status, log) = poller.stop();
    assert!(status.success(), "{log}");
    assert!(log.contains("known=1 waiting=0"), "{log}");
    home.write_targets(&format!(
        "{ONE}  - {{name: new, type: icmp, host: 127.0.0.2, interval_seconds: 0.2, timeout_ms: 150}}\n"
    ));
    let all = half(&home, "run", &url);
    assert!(all.metric("pingu_results_recovered_total") > 3);
    all.until("probing", |it| {
        (it.metric("pingu_results_produced_total") > 3).then_some(())
    });
    assert_eq!(all.metric("pingu_targets"), 1);
    let away =
        all.metric("pingu_results_produced_total") + all.metric("pingu_results_recovered_total");

    cluster.start_again();
    all.until("the database", |pingu| {
        (pingu.get("/readyz").status == 200).then_some(())
    });
    assert_eq!(all.latest("new")["outcome"], "up");
    assert_eq!(all.latest("lo")["target_id"], id);
    all.until("the spool to be empty", |it| {
        (it.metric("pingu_results_spooled") == 0).then_some(())
    });
    let kept =
        all.metric("pingu_results_stored_total") + all.metric("pingu_results_duplicate_total");
    assert!(kept >= away, "{kept} of {away}");
    for lost in ["dropped", "quarantined"] {
        assert_eq!(
            all.metric(&format!("pingu_results_{lost}_total")),
            0,
            "{lost}"
        );
    }
    let (_, log) = all.stop();
    let stored = database.sql("SELECT count(*) FROM results")[0]
        .parse::<i64>()
        .unwrap();
    assert!(stored >= before + away, "{stored}: {log}");
}

#[test]
fn a_server_without_a_free_connection_is_waited_for() {
    const CONNECTIONS: usize = 12;
    let cluster = Cluster::start(&["max_connections=12"]);
    let database = cluster.database();
    let url = cluster.tcp_url(PASSWORD, database.name());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // the one that made the database may not be gone yet
    let mut held = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while held.len() < CONNECTIONS && Instant::now() < deadline {
        let connecting = tokio_postgres::connect(&url, tokio_postgres::NoTls);
        if let Ok((client, connection)) = runtime.block_on(connecting) {
            runtime.spawn(connection);
            held.push(client);
        }
    }
    assert_eq!(held.len(), CONNECTIONS);
    let home = Home::new(ONE);
    let pingu = half(&home, "run", &url);
    assert_waits(&pingu, "no more connections");
    drop(held);
    pingu.until("the database", |pingu| {
        (pingu.get("/readyz").status == 200).then_some(())
    });
    assert_eq!(pingu.latest("lo")["outcome"], "up");
}
