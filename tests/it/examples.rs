//! The examples in the description of the API: each was answered by the real program, and still is.
//!
//! `UPDATE_EXAMPLES=1 cargo test --test it -- examples::` records them anew. What differs from run to run is written as in
//! `docs/API.md`, so that a new recording shows what has changed and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::farm::Farm;
use crate::pingu::{Answer, Home, PATIENCE, Pingu};

const TOKEN: &str = "put-a-long-random-text-here";
/// What cannot be brought about from outside.
const NEVER: &str = "get /livez 503";

/// Programs in every state that an answer can come from.
struct World {
    farm: Farm,
    /// Everything works, and every target has results.
    whole: (Home, Pingu),
    /// Asks for a token.
    guarded: (Home, Pingu),
    /// Never reached its database.
    without: (Home, Pingu),
    /// An hour of the clock that holds results.
    hour: String,
    // last: it runs the servers
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let farm = runtime.block_on(Farm::start());
        let targets = format!(
            "defaults: {{interval_seconds: 0.5, timeout_ms: 400}}\ntargets:\n  \
             - {{name: router, type: icmp, host: 127.0.0.3, packets: 3, packet_interval_ms: 20, group: home, tags: [edge]}}\n  \
             - {{name: website, type: http, url: '{}'}}\n  \
             - {{name: gate, type: tcp, host: 127.0.0.7, port: {}}}\n",
            farm.https("/deep/relative"),
            Farm::closed().port()
        );
        let start = |variables: &[(&str, &str)]| {
            let home = Home::new(&targets);
            let roots = home.path().join("roots.pem");
            std::fs::write(&roots, farm.authority().root_pem()).unwrap();
            let mut command = home.command(&[]);
            command.env("SSL_CERT_FILE", roots);
            command.envs(variables.iter().copied());
            let pingu = Pingu::start(&mut command);
            (home, pingu)
        };
        let whole = start(&[]);
        let pingu = &whole.1;
        // so that there are pages, and differences between latencies
        for name in ["router", "website", "gate"] {
            pingu.until("some results", |pingu| {
                let found = pingu.items(&format!("/targets/{name}/results"));
                (found.len() >= 4).then_some(())
            });
        }
        for path in ["/api/v1/incidents/1", "/targets/website/certificate"] {
            let path = format!("/api/v1{}", path.trim_start_matches("/api/v1"));
            pingu.until(&path, |pingu| {
                (pingu.get(&path).status == 200).then_some(())
            });
        }
        let newest = pingu.latest("router")["ts"].as_str().unwrap().to_owned();
        Self {
            guarded: start(&[("API_TOKEN", TOKEN)]),
            without: start(&[("DATABASE_URL", "postgres://pingu@127.0.0.1:1/pingu")]),
            hour: format!("{}:00:00Z", &newest[.."2026-02-23T01".len()]),
            farm,
            whole,
            runtime,
        }
    }

    /// What the program says when it is asked so that it has to answer with this status.
    fn answer(&self, method: &str, path: &str, status: u16) -> Value {
        let (whole, guarded) = (&self.whole.1, &self.guarded.1);
        let place = path.trim_start_matches("/api/v1");
        let known = path.replace("/incidents/{id}", "/incidents/1").replace(
            "{id}",
            if place.ends_with("incidents") {
                "gate"
            } else {
                "website"
            },
        );
        let unknown = path.replace("{id}", "nobody");
        let asked = |query: &str| format!("{known}{query}");
        let answer = match (method, place, status) {
            ("post", _, 401) => post(
                guarded,
                r#"{"token":"a-guess-that-is-wrong"}"#,
                "application/json",
            ),
            ("post", _, 400) => post(guarded, "{}", "application/json"),
            ("post", _, 415) => post(guarded, "{}", "text/plain"),
            ("post", _, 413) => unread(guarded, 65_537),
            ("post", _, 408) => unread(guarded, 20),
            ("get", "/session", 200) => guarded.get(path),
            ("get", "/events", 200) => return message(whole),
            ("get", "/series", 200) => whole.get(&asked(&format!(
                "?target=router&target=website&{}",
                self.span()
            ))),
            ("get", "/targets/{id}/series", 200) => whole.get(&asked(&format!("?{}", self.span()))),
            ("get", "/targets/{id}/heatmap", 200) => whole.get(&asked("?weeks=1&tz=Europe/Berlin")),
            // each target is among the nine newest, as all are probed as often
            ("get", "/results/latest", 200) => whole.get(&asked("?limit=9")),
            ("get", _, 200) => whole.get(&asked("?limit=2&window=24h")),
            (_, _, 401) => guarded.ask(&method.to_ascii_uppercase(), &known),
            ("get", "/series" | "/incidents", 404) => whole.get(&asked("?target=nobody")),
            ("get", "/events", 404) => whole.get(&asked("?packets=nobody")),
            ("get", "/targets/{id}/certificate", 404) => whole.get(&path.replace("{id}", "router")),
            ("get", _, 404) => whole.get(&unknown),
            ("get", "/series", 400) => whole.get(&known),
            ("get", "/targets", 400) => whole.get(&asked("?status=off")),
            ("get", "/targets/{id}/series", 400) => whole.get(&asked("?points=0")),
            ("get", "/targets/{id}/heatmap", 400) => whole.get(&asked("?tz=Berlin")),
            ("get", "/targets/{id}/uptime", 400) => whole.get(&asked("?days=0")),
            ("get", "/incidents" | "/targets/{id}/incidents", 400) => {
                whole.get(&asked("?open=yes"))
            }
            ("get", "/summary" | "/summary/{id}", 400) => whole.get(&asked("?window=1y")),
            ("get", "/results/latest-by-target", 400) => whole.get(&asked("?cursor=x")),
            ("get", _, 400) => whole.get(&asked("?since=yesterday")),
            ("get", "/series", 503) => self.without.1.get(&asked("?target=website")),
            ("get", "/events", 503) => self.without.1.get(&asked("?packets=website")),
            ("get", _, 503) => self.without.1.get(&known),
            other => panic!("nobody knows how to ask for this: {other:?}"),
        };
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        answer.json()
    }

    fn span(&self) -> String {
        let hour: pingu::model::Timestamp = self.hour.parse().unwrap();
        let end = pingu::model::Timestamp::from_micros(hour.as_micros() + 3_600_000_000);
        format!("since={hour}&until={end}&points=1")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // servers that are dropped end tasks of this runtime
        drop(self.runtime.enter());
    }
}

fn post(pingu: &Pingu, body: &str, kind: &str) -> Answer {
    let length = body.len();
    pingu.request(&format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// A body that is announced and does not come.
fn unread(pingu: &Pingu, length: usize) -> Answer {
    pingu.request(&format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ))
}

/// The first message of the stream that says how many targets are up, by its fields.
fn message(pingu: &Pingu) -> Value {
    let mut stream = TcpStream::connect(pingu.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /api/v1/events HTTP/1.0\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut fields = Map::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some((name @ ("id" | "event" | "data"), value)) = line.split_once(": ") {
            fields.insert(name.to_owned(), value.into());
        } else if line.is_empty() {
            if fields.get("event") == Some(&json!("overview")) {
                return fields.into();
            }
            fields.clear();
        }
    }
    panic!("the stream ended: {fields:?}")
}

const MOMENT: &str = "2026-02-23T01:57:52.004113Z";

/// What stands for an instant, by its field; for others the slot of a result.
const INSTANTS: &[(&str, &str)] = &[
    ("generated_at", MOMENT),
    ("until", MOMENT),
    ("since", "2026-02-23T00:57:52.004113Z"),
    ("began_at", "2026-02-23T01:54:41.207311Z"),
    ("opened_at", "2026-02-23T01:55:41.207311Z"),
    ("not_before", "2026-01-12T08:30:11.000000Z"),
    ("not_after", "2026-04-12T08:30:10.000000Z"),
    ("cert_expires_at", "2026-04-12T08:30:10.000000Z"),
];

/// What stands for a number that differs from run to run, by its field.
const NUMBERS: &[(&str, &str)] = &[
    ("latency_ms", "13"),
    ("latency_us", "12874"),
    ("lag_us", "412"),
    ("seconds_since_last_result", "5"),
    ("total_probes", "120"),
    ("missed_probes", "0"),
    ("failed_results", "4"),
    ("downtime_seconds", "60.0"),
    ("duration_seconds", "190.796802"),
    ("avg_latency_ms", "12.4"),
    ("min_latency_ms", "9.871"),
    ("p50_latency_ms", "12.113"),
    ("p95_latency_ms", "18.25"),
    ("p99_latency_ms", "21.9"),
    ("max_latency_ms", "24.006"),
    ("jitter_ms", "1.84"),
    ("dns_us", "1930"),
    ("connect_us", "2210"),
    ("tls_us", "5120"),
    ("ttfb_us", "9914"),
    ("transfer_us", "688"),
    ("took_us", "6437"),
    ("min_us", "9871"),
    ("median_us", "12874"),
    ("rtts_us", "12874"),
    ("p25_us", "11020"),
    ("p50_us", "12113"),
    ("p75_us", "14870"),
    ("p95_us", "18250"),
    ("max_us", "24006"),
    ("jitter_us", "184"),
    ("uptime_24h", "66.6666"),
    ("t", "1771808400"),
    ("total", "120"),
    ("produced", "8203"),
    ("stored", "8201"),
    ("waiting", "2"),
    ("in_flight", "3"),
    ("lag_p50_ms", "0.412"),
    ("lag_p99_ms", "3.1"),
    ("bytes", "28848"),
];

const TEXTS: &[(&str, &str)] = &[
    (
        "next_cursor",
        "AQNLHY5lDAKFTAEABkt0CvKUdgAAAAAAAAOB3eUK56c7XmU",
    ),
    ("serial", "04a1b2c3d4e5f60718293a4b5c6d7e8f9012"),
    (
        "sha256",
        "5f3c1e0b9a8d7c6f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d",
    ),
    ("day", "2026-02-23"),
    ("resolution", "raw"),
];

/// What was answered without what differs from run to run: targets have the ids and addresses of `docs/API.md`.
struct Pinned(Vec<(String, &'static str)>);

impl Pinned {
    fn new(world: &World) -> Self {
        let pingu = &world.whole.1;
        let targets = [
            ("router", "fb4c6d37-c55d-44fa-9415-89528fa8290b"),
            ("website", "9e09a0e6-5a3a-4d4c-9f4e-6d0f2f0a1b2c"),
            ("gate", "3d1c7a52-9c7e-4a0e-8a53-0c5a4de1f9b7"),
        ];
        let ids = targets.map(|(name, id)| {
            let target = pingu.json(&format!("/targets/{name}"));
            (target["id"].as_str().unwrap().to_owned(), id)
        });
        let website = world.farm.https("");
        let gate = pingu.json("/targets/gate")["port"].to_string();
        let mut words = ids.to_vec();
        words.push((website, "https://192.0.2.80"));
        words.push((format!(":{gate}"), ":443"));
        for (found, pinned) in [
            ("127.0.0.1", "192.0.2.80"),
            ("127.0.0.3", "192.0.2.3"),
            ("127.0.0.7", "192.0.2.7"),
        ] {
            words.push((found.to_owned(), pinned));
        }
        Self(words)
    }

    fn pin(&self, field: &str, value: &Value) -> Value {
        let by_field = |table: &'static [(&str, &str)]| {
            let found = table.iter().find(|(name, _)| *name == field);
            found.map(|(_, value)| *value)
        };
        match value {
            Value::Object(object) => {
                let pinned = object
                    .iter()
                    .map(|(name, value)| (name.clone(), self.pin(name, value)));
                Value::Object(pinned.collect())
            }
            Value::Array(rows) if rows.iter().any(Value::is_array) => self.week(field, rows),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.pin(field, item));
                one_of_each_target(items.collect())
            }
            Value::Number(number) => match by_field(NUMBERS) {
                // nothing lost is always nothing lost
                Some(_) if field == "downtime_seconds" && number.as_f64() == Some(0.0) => {
                    value.clone()
                }
                Some(pinned) if number.is_f64() == pinned.contains('.') => pinned.parse().unwrap(),
                _ if field == "port" => json!(443),
                _ if field == "id" && number.as_u64() > Some(1) => json!(897),
                _ => value.clone(),
            },
            // a build that knows its commit says so
            Value::String(_) if field == "revision" => Value::Null,
            Value::String(text) => {
                if let Some(pinned) = by_field(TEXTS) {
                    return pinned.into();
                }
                if text.parse::<pingu::model::Timestamp>().is_ok() {
                    return by_field(INSTANTS)
                        .unwrap_or("2026-02-23T01:57:47.509801Z")
                        .into();
                }
                if field == "id" && text.len() < 20 {
                    return "5f0c2a7b-17".into();
                }
                let replace =
                    |text: String, (found, pinned): &(String, &str)| text.replace(found, pinned);
                self.0.iter().fold(text.clone(), replace).into()
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// Rows of hours, of which those with results depend on when they were measured: the first of these, at the second hour of Monday.
    fn week(&self, field: &str, rows: &[Value]) -> Value {
        let mut cells = rows.iter().flat_map(|row| row.as_array().unwrap());
        let cell = cells
            .find(|cell| !cell.is_null())
            .expect("an hour with results");
        let mut empty = vec![vec![Value::Null; 24]; rows.len()];
        empty[0][1] = self.pin(field, cell);
        json!(empty)
    }
}

/// Which results come first is a matter of time: the newest of each target, by name, are a shorter list that is always the same.
fn one_of_each_target(mut items: Vec<Value>) -> Value {
    let target = |item: &Value| {
        item.get("target_id")
            .map(|id| (item["target_name"].to_string(), id.to_string()))
    };
    if items.iter().all(|item| target(item).is_some()) {
        items.sort_by_key(target);
        items.dedup_by_key(|item| target(item));
    }
    items.into()
}

/// The paths of all fields with the types that are found there; those of a list's items together.
fn types(value: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "text",
            Value::Array(items) => {
                for item in items {
                    collect(item, &format!("{path}/*"), found);
                }
                "list"
            }
            Value::Object(object) => {
                for (name, value) in object {
                    collect(value, &format!("{path}/{name}"), found);
                }
                "object"
            }
        };
        found.insert(format!("{path}: {kind}"));
    }
    let mut found = BTreeSet::new();
    collect(value, "", &mut found);
    found
}

/// Whether a value is what a schema says. Words of JSON Schema that the description does not use are a failure, not a yes.
struct Schemas<'a>(&'a Map<String, Value>);

impl Schemas<'_> {
    fn check(&self, value: &Value, schema: &Value) -> Result<(), String> {
        for (word, says) in schema.as_object().ok_or("no schema")? {
            let parts = || says.as_array().into_iter().flatten();
            let is = |kind: &Value| match kind.as_str() {
                Some("null") => value.is_null(),
                Some("boolean") => value.is_boolean(),
                Some("integer") => value.is_i64() || value.is_u64(),
                Some("number") => value.is_number(),
                Some("string") => value.is_string(),
                Some("array") => value.is_array(),
                Some("object") => value.is_object(),
                _ => false,
            };
            let fits = match word.as_str() {
                "description" | "example" | "format" | "contentMediaType" => true,
                "type" => is(says) || parts().any(is),
                "enum" => parts().any(|it| it == value),
                "minimum" => !value.is_number() || value.as_f64() >= says.as_f64(),
                "required" => parts().all(|name| value.get(name.as_str().unwrap()).is_some()),
                "oneOf" => {
                    parts()
                        .filter(|part| self.check(value, part).is_ok())
                        .count()
                        == 1
                }
                "allOf" => {
                    parts().try_for_each(|part| self.check(value, part))?;
                    true
                }
                "$ref" => {
                    let name = says
                        .as_str()
                        .and_then(|it| it.strip_prefix("#/components/schemas/"));
                    self.check(value, &self.0[name.ok_or("a reference elsewhere")?])?;
                    true
                }
                "properties" => {
                    for (name, schema) in says.as_object().ok_or("no properties")? {
                        value
                            .get(name)
                            .map_or(Ok(()), |value| self.check(value, schema))?;
                    }
                    true
                }
                "items" => {
                    let mut items = value.as_array().into_iter().flatten();
                    items.try_for_each(|item| self.check(item, says))?;
                    true
                }
                "contentSchema" => {
                    let text = value.as_str().ok_or("no text")?;
                    let content = serde_json::from_str(text).map_err(|error| error.to_string())?;
                    self.check(&content, says)?;
                    true
                }
                _ => false,
            };
            if !fits {
                return Err(format!("not what {word} wants: {value} by {schema}"));
            }
        }
        Ok(())
    }
}

/// One answer that the description knows.
struct Described<'a> {
    method: &'a str,
    path: &'a str,
    status: u16,
    schema: &'a Value,
    example: Option<&'a Value>,
}

impl Described<'_> {
    /// As the examples are named: a route that is in two places has one.
    fn name(&self) -> String {
        let place = self.path.trim_start_matches("/api/v1");
        format!("{} {place} {}", self.method, self.status)
    }
}

/// Every answer that has a form.
fn described(document: &Value) -> Vec<Described<'_>> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = response.get("content").and_then(Value::as_object);
                for (kind, content) in content.into_iter().flatten() {
                    if kind != "text/plain" {
                        found.push(Described {
                            method,
                            path,
                            status: status.parse().unwrap(),
                            schema: &content["schema"],
                            example: content.get("example"),
                        });
                    }
                }
            }
        }
    }
    found
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/examples.json")
}

/// One line an answer.
fn written(examples: &BTreeMap<String, Value>) -> String {
    let mut text = String::from("{");
    for (name, example) in examples {
        let comma = if text.len() == 1 { "" } else { "," };
        write!(text, "{comma}\n{}: {example}", json!(name)).unwrap();
    }
    text + "\n}\n"
}

#[test]
fn every_answer_in_the_description_has_an_example_that_is_still_given() {
    let world = World::new();
    let document = world.whole.1.json("/openapi.json");
    let schemas = Schemas(document["components"]["schemas"].as_object().unwrap());
    let pinned = Pinned::new(&world);
    let is_recording = std::env::var_os("UPDATE_EXAMPLES").is_some();
    let mut recorded = BTreeMap::new();
    let mut wrong = Vec::new();
    let all = described(&document);
    assert!(all.len() > 80, "{}", all.len());
    for it in all.iter().filter(|it| it.name() != NEVER) {
        let place = format!("{} {} {}", it.method, it.path, it.status);
        let answer = world.answer(it.method, it.path, it.status);
        if let Err(why) = schemas.check(&answer, it.schema) {
            wrong.push(format!("{place}: the answer is {why}"));
        }
        let answer = pinned.pin("", &answer);
        if is_recording {
            recorded.insert(it.name(), answer);
            continue;
        }
        let Some(example) = it.example else {
            wrong.push(format!("{place}: no example"));
            continue;
        };
        if let Err(why) = schemas.check(example, it.schema) {
            wrong.push(format!("{place}: the example is {why}"));
        }
        if types(example) != types(&answer) {
            wrong.push(format!("{place}: {example}, but the answer is {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if is_recording {
        std::fs::write(file(), written(&recorded)).unwrap();
    } else {
        let known: BTreeSet<_> = all.iter().map(Described::name).collect();
        let text = std::fs::read_to_string(file()).unwrap();
        let examples: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        let stray: Vec<_> = examples
            .keys()
            .filter(|name| !known.contains(*name))
            .collect();
        assert_eq!(stray, [""; 0], "nothing answers like this any more");
    }
}
