//! The documents tell the truth: every YAML block loads, every command runs, every answer has the fields that are shown.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::{self, Cluster};
use crate::farm::Certificate;
use crate::farm::certificate::Authority;
use crate::pingu::{Home, Pingu};

/// A fenced block: its language and its text.
struct Block {
    place: String,
    language: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<_> = [root().to_owned(), root().join("docs")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.sort();
    documents
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let mut inside = false;
        for (number, line) in text.lines().enumerate() {
            if let Some(language) = line.strip_prefix("```") {
                inside = !inside;
                if inside {
                    blocks.push(Block {
                        place: format!(
                            "{}:{}",
                            document.file_name().unwrap().display(),
                            number + 1
                        ),
                        language: language.to_owned(),
                        text: String::new(),
                    });
                }
            } else if inside {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
        assert!(!inside, "{}: a block does not end", document.display());
    }
    assert!(blocks.len() > 10);
    blocks
}

#[test]
fn every_block_has_a_language_that_is_tested_or_plain() {
    for block in blocks() {
        let known =
            ["sh", "yaml", "json", "sql", "python", "text", ""].contains(&block.language.as_str());
        assert!(known, "{}: {}", block.place, block.language);
    }
}

#[test]
fn every_yaml_block_is_a_valid_targets_file() {
    let home = Home::new("targets: []\n");
    let variables = ["SHOP_KEY", "SHOP_PASSWORD", "SHOP_TOKEN"];
    let variables = variables.map(|name| (name.to_owned(), "hunter2".to_owned()));
    pingu::environment::lend(variables);
    // the documents speak of these files below /etc/pingu
    let authority = Authority::new("Company");
    let (cert, key) = authority.pem(&Certificate::Valid);
    for (name, text) in [
        ("company.pem", authority.root_pem()),
        ("me.pem", cert),
        ("me.key", key),
    ] {
        fs::write(home.path().join(name), text).unwrap();
    }
    let folder = format!("{}/", home.path().display());
    let mut count = 0;
    for block in blocks()
        .into_iter()
        .filter(|block| block.language == "yaml")
    {
        let path = home.path().join("block.yaml");
        fs::write(&path, block.text.replace("/etc/pingu/", &folder)).unwrap();
        let loaded = pingu::config::load_file(&path)
            .unwrap_or_else(|error| panic!("{}:\n{error}", block.place));
        assert!(!loaded.declared.is_empty(), "{}", block.place);
        assert!(loaded.warnings.is_empty(), "{}", block.place);
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn every_command_works() {
    // the documents speak of targets with these names
    let home = Home::new(
        "targets:\n  - {name: router, type: icmp, host: 127.0.0.1, interval_seconds: 1}\n  - {name: website, type: http, url: 'http://127.0.0.1:1/', interval_seconds: 1}\n  - {name: gate, type: http, url: 'http://127.0.0.1:1/', interval_seconds: 1}\n",
    );
    let pingu = home.start();
    pingu.latest("router");
    pingu.latest("website");
    wait_for_the_first_incident(&pingu);
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut count = 0;
    for block in blocks().into_iter().filter(|block| block.language == "sh") {
        for command in block.text.lines() {
            let words = words(command);
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["make", target] => {
                    assert!(
                        makefile.contains(&format!("\n{target}:")),
                        "{}: {command}",
                        block.place
                    );
                }
                ["curl", "-s", url] => {
                    let path = url
                        .strip_prefix("http://127.0.0.1:8000")
                        .expect("our own address");
                    assert_eq!(pingu.get(path).status, 200, "{}: {command}", block.place);
                }
                ["pingu", arguments @ ..] => {
                    let mine = pingu.address.to_string();
                    let arguments: Vec<_> = arguments
                        .iter()
                        .map(|it| it.replace("127.0.0.1:8000", &mine))
                        .collect();
                    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                    let output = home.command(&arguments).output().unwrap();
                    assert!(
                        output.status.success(),
                        "{}: {command}\n{output:?}",
                        block.place
                    );
                }
                _ => panic!("{}: no test knows how to run: {command}", block.place),
            }
            count += 1;
        }
    }
    assert!(count >= 10);
}

#[test]
fn every_program_runs() {
    let home = Home::new(
        "targets:\n  - {name: router, type: icmp, host: 127.0.0.1, interval_seconds: 1}\n  - {name: gate, type: tcp, host: 127.0.0.1, port: 1, interval_seconds: 1}\n",
    );
    let pingu = home.start();
    pingu.latest("router");
    pingu.latest("gate");
    let programs = blocks().into_iter().filter(|it| it.language == "python");
    let mut count = 0;
    for block in programs {
        let mine = format!("http://{}", pingu.address);
        let text = block.text.replace("http://127.0.0.1:8000", &mine);
        let output = std::process::Command::new("python3")
            .args(["-c", &text])
            .output();
        let output = output.expect("python3 is there");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {output:?}", block.place);
        assert!(
            said.contains(" up ") && said.contains("gate is down since"),
            "{said}"
        );
        count += 1;
    }
    assert_eq!(count, 1);
}

/// Splits as a shell does, as far as the documents need it: at spaces, but not within single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in command.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What Grafana makes of its macros.
fn expanded(panel: &str) -> String {
    panel
        .replace(
            "$__timeFilter(ts)",
            "ts BETWEEN now() - interval '1 day' AND now()",
        )
        .replace(
            "$__timeGroupAlias(ts, $__interval)",
            "floor(extract(epoch from ts) / 60) * 60 AS \"time\"",
        )
        .replace(
            "$__timeGroupAlias(ts, '1d')",
            "floor(extract(epoch from ts) / 86400) * 86400 AS \"time\"",
        )
}

#[test]
fn every_panel_shows_something_to_the_user_that_is_made_for_it() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let home = Home::new(
        "targets:\n  - {name: router, type: icmp, host: 127.0.0.1, interval_seconds: 1}\n",
    );
    let mut command = home.command(&[]);
    let pingu = Pingu::start(command.env("DATABASE_URL", &database.url));
    pingu.latest("router");
    // an hour that has ended, as a roll-up leaves it
    database.sql(
        "INSERT INTO hours SELECT date_trunc('hour', now() - interval '2 hours'), 10, 8, 1, 9, 8, 8, 80000, 5000, 15000, key, '' FROM series",
    );
    let (panels, recipes): (Vec<_>, Vec<_>) = blocks()
        .into_iter()
        .filter(|block| block.language == "sql")
        .partition(|block| block.text.starts_with("SELECT"));
    for recipe in &recipes {
        database.sql(&recipe.text);
    }
    assert_eq!((panels.len(), recipes.len()), (3, 1));
    let theirs = database.url.replace("pingu@", "grafana@");
    for panel in &panels {
        let sql = expanded(&panel.text);
        assert!(!sql.contains("$__"), "{}: {sql}", panel.place);
        let rows = cluster::sql(&theirs, &sql);
        assert_eq!(rows.len(), 1, "{}: {rows:?}", panel.place);
    }
    let hour = "SELECT concat_ws(' ', total, up, down, unknown, uptime_percent, round(loss_percent), avg_latency_ms, min_latency_ms, max_latency_ms) FROM target_hourly";
    assert_eq!(cluster::sql(&theirs, hour), ["10 8 1 1 88.8888 11 10 5 15"]);
    for (statement, refusal) in [
        ("SELECT id FROM targets", "permission denied"),
        ("SELECT id FROM results", "permission denied"),
        ("CREATE TABLE mine (id int)", "read-only"),
    ] {
        let error = cluster::try_sql(&theirs, statement).unwrap_err();
        assert!(error.contains(refusal), "{statement}: {error}");
    }
}

#[test]
fn every_answer_in_the_api_document_has_the_fields_of_a_real_one() {
    let home = Home::new(
        "targets:\n  - {name: router, type: icmp, host: 127.0.0.1, interval_seconds: 1}\n",
    );
    let pingu = home.start();
    pingu.latest("router");
    // a target that has every part of an HTTP result
    home.write_targets(&format!(
        "targets:\n  - {{name: router, type: icmp, host: 127.0.0.1, interval_seconds: 1}}\n  - {{name: website, type: http, url: 'http://{}/health', interval_seconds: 1}}\n  - {{name: gate, type: http, url: 'http://127.0.0.1:1/', interval_seconds: 1}}\n",
        pingu.address
    ));
    pingu.latest("website");
    wait_for_the_first_incident(&pingu);
    let blocks = blocks();
    let mut count = 0;
    for pair in blocks.windows(2) {
        let [asked, answered] = pair else { continue };
        if !asked.place.starts_with("API.md")
            || asked.language != "sh"
            || answered.language != "json"
        {
            continue;
        }
        let words = words(&asked.text);
        let path = words[2]
            .strip_prefix("http://127.0.0.1:8000")
            .expect("our own address");
        let shown: Value = serde_json::from_str(&answered.text)
            .unwrap_or_else(|error| panic!("{}: {error}", answered.place));
        let real = real_answer(&pingu, path);
        assert_eq!(fields(&shown), fields(&real), "{}", answered.place);
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

/// The documents speak of an incident with the id 1.
fn wait_for_the_first_incident(pingu: &Pingu) {
    pingu.until("an incident of gate", |pingu| {
        let found = pingu.items("/api/v1/incidents?target=gate");
        (!found.is_empty() && pingu.get("/api/v1/incidents/1").status == 200).then_some(())
    });
}

fn real_answer(pingu: &Pingu, path: &str) -> Value {
    pingu.get(path).json()
}

/// The paths of all fields; those of a list's items together.
pub fn fields(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}/{key}");
                collect(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, &format!("{path}/*"), found);
            }
        }
        _ => {}
    }
}
