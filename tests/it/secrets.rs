//! Where a secret goes: to the server that it is for, and nowhere else. The real program, its log at its loudest.

use std::fs;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;

use crate::farm::{Server, request};
use crate::pingu::{Home, Pingu};

/// The value of a variable, and secrets that are written out in the file.
const VALUE: &str = "open-sesame-4711";
const LENT: &str = "lent-by-dotenv-42";
const WRITTEN: [&str; 3] = ["hunter2hunter2", "swordfish-9", "correct-horse"];

/// A server that sends back what it hears, as a body and as a header, and keeps it.
async fn parrot() -> (Server, Arc<Mutex<String>>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let hearing = heard.clone();
    let server = Server::start(move |mut stream| {
        let hearing = hearing.clone();
        async move {
            if let Some(said) = request(&mut stream).await {
                hearing.lock().unwrap().push_str(&said);
                let line = said.replace(['\r', '\n', '"'], " ");
                let body = format!("{{\"said\": \"{line}\"}}");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nX-Said: {line}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                // the prober may have gone
                drop(stream.write_all(answer.as_bytes()).await);
                drop(stream.shutdown().await);
            }
        }
    })
    .await;
    (server, heard)
}

#[test]
fn secrets_reach_their_server_and_nobody_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (server, heard) = runtime.block_on(parrot());
    let url = server.http();
    let [key, session, password] = WRITTEN;
    let targets = format!(
        "defaults: {{interval_seconds: 1}}
targets:
  - name: headers
    type: http
    url: {url}
    headers: {{X-Key: '{key}', Cookie: 'session={session}', X-Variable: '${{THE_VARIABLE}}'}}
    expect_headers: {{X-Said: nothing of the kind}}
  - name: basic
    type: http
    url: {url}
    body: 'a ${{THE_VARIABLE}} b ${{LENT_VARIABLE}}'
    basic_auth: {{username: ada, password: {password}}}
    expect_json: {{$.said: nothing}}
  - name: bearer
    type: http
    url: {url}
    bearer: ${{THE_VARIABLE}}
    expect_json: {{$.said: nothing}}
"
    );
    let home = Home::new(&targets);
    fs::write(home.path().join(".env"), format!("LENT_VARIABLE={LENT}\n")).unwrap();
    let with = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("THE_VARIABLE", VALUE).env("LOG_LEVEL", "trace");
        command
    };

    let checked = with(&["check"]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let as_json = with(&["check", "--json"]).output().unwrap();
    let mut told = format!("{checked:?}{as_json:?}");

    let pingu = Pingu::start(&mut with(&[]));
    for name in ["headers", "basic", "bearer"] {
        let result = pingu.latest(name);
        assert_eq!(result["reason"], "body", "{result}");
    }
    for path in [
        "/targets",
        "/targets?beats=60",
        "/api/v1/about",
        "/targets/basic",
        "/results/latest",
        "/results/latest-by-target",
        "/summary",
        "/metrics",
        "/openapi.json",
        "/health",
    ] {
        told += &pingu.get(path).body;
    }
    told += &pingu.log();
    drop(pingu);

    let heard = heard.lock().unwrap().clone();
    let basic = "YWRhOmNvcnJlY3QtaG9yc2U=";
    for secret in [VALUE, LENT, key, session, basic] {
        assert!(heard.contains(secret), "{secret} did not arrive");
    }
    for secret in [VALUE, LENT, key, session, password, basic] {
        assert!(!told.contains(secret), "{secret} was told: {told}");
    }
    // the database keeps the file's own words, and values of variables are none of them
    let mut stored = Vec::new();
    for entry in fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with(".env") {
            stored.extend(fs::read(path).unwrap());
        }
    }
    let holds = |text: &str| {
        let mut windows = stored.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    assert!(holds("${THE_VARIABLE}") && holds("SQLite format 3"));
    assert!(!holds(VALUE) && !holds(LENT) && !holds(basic));
}

#[test]
fn a_variable_that_is_not_set_keeps_a_file_from_loading() {
    let home = Home::new(
        "targets:\n  - {name: a, type: http, url: 'http://127.0.0.1:1/', bearer: 'x ${THE_VARIABLE}'}\n",
    );
    let unset = home.command(&["check"]).output().unwrap();
    assert_eq!(unset.status.code(), Some(3), "{unset:?}");
    let text = String::from_utf8(unset.stderr).unwrap();
    let expected =
        "targets.yaml:2:63: `bearer` refers to the variable THE_VARIABLE, which is not set";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("bearer: ***"), "{text}");
    let empty = home.command(&["check"]).env("THE_VARIABLE", "").output();
    assert_eq!(empty.unwrap().status.code(), Some(3));
    let set = home.command(&["check"]).env("THE_VARIABLE", "y").output();
    assert!(set.unwrap().status.success());
}
