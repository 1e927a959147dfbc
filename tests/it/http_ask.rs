//! What is asked: methods, headers, bodies and credentials, as servers hear them, also after redirects; and what is said of it after.

use std::sync::{Arc, Mutex};

use pingu::model::{
    Ask, Credentials, Expect, Header, Hop, HttpSpec, JsonMatch, JsonPath, Method, Observation,
    Outcome, Pattern, Reason, Secret,
};
use pingu::probe::http::HttpProber;
use pingu::probe::resolve::Resolver;
use tokio::io::AsyncWriteExt;

use crate::farm::judge::assert_plausible;
use crate::farm::{Farm, Server, request};
use crate::http_probe::{BRIEF, PATIENT, SLACK, assert_down, assert_up, error_of};

/// Of this process; cargo sets it.
const VARIABLE: &str = "CARGO_PKG_DESCRIPTION";

/// A server, and what it was asked.
struct Ear {
    server: Server,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Ear {
    /// Answers each request with what `say` makes of it.
    async fn new(say: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (say, hearing) = (Arc::new(say), heard.clone());
        let server = Server::start(move |mut stream| {
            let (say, hearing) = (say.clone(), hearing.clone());
            async move {
                if let Some(text) = request(&mut stream).await {
                    let answer = say(&text);
                    hearing.lock().unwrap().push(text);
                    // the prober may have gone
                    drop(stream.write_all(answer.as_bytes()).await);
                    drop(stream.shutdown().await);
                }
            }
        })
        .await;
        Self { server, heard }
    }

    async fn content() -> Self {
        Self::new(|_| ok("hello")).await
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn moved(status: u16, place: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")
}

fn prober() -> HttpProber {
    let roots = pingu::probe::http::Roots::of_this_machine();
    HttpProber::new(Resolver::with_servers(&[]), &roots)
}

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.to_owned(),
        value: secret(value),
    }
}

fn spec(url: &str, ask: Ask) -> HttpSpec {
    HttpSpec {
        ask: Box::new(ask),
        ..HttpSpec::new(url.parse().unwrap(), url)
    }
}

async fn probe(spec: &HttpSpec) -> Observation {
    let observation = prober().probe(spec, PATIENT).await;
    assert_plausible(&observation);
    observation
}

fn hops(observation: &Observation) -> Vec<Hop> {
    let detail = observation.measurement.detail.as_ref();
    detail.map_or_else(Vec::new, |detail| detail.redirects.clone())
}

fn has_line(heard: &str, line: &str) -> bool {
    heard.lines().any(|it| it.eq_ignore_ascii_case(line))
}

#[tokio::test]
async fn what_the_file_says_is_what_servers_hear() {
    let ear = Ear::content().await;
    let value = std::env::var(VARIABLE).unwrap();
    let asked = spec(
        &ear.server.http(),
        Ask {
            method: Some(Method::Put),
            headers: vec![
                header("Content-Type", "text/plain"),
                header("X-Key", &format!("key ${{{VARIABLE}}}")),
                header("X-Empty", ""),
                header("Host", "other.example"),
            ],
            body: Some(secret(&format!("first\n${{{VARIABLE}}} $${{x}} é"))),
            credentials: Some(Credentials::Basic {
                username: secret("ada"),
                password: secret("open sesame"),
            }),
        },
    );
    assert_up(&probe(&asked).await, 200);
    let heard = ear.heard();
    let [heard] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    for line in [
        "PUT / HTTP/1.1",
        "Content-Type: text/plain",
        &format!("X-Key: key {value}"),
        "X-Empty: ",
        "Host: other.example",
        "Connection: close",
        "Authorization: Basic YWRhOm9wZW4gc2VzYW1l",
    ] {
        assert!(has_line(heard, line), "{line} is not in\n{heard}");
    }
    assert!(
        heard.ends_with(&format!("\r\n\r\nfirst\n{value} ${{x}} é")),
        "{heard}"
    );

    let bearer = Ask {
        credentials: Some(Credentials::Bearer(secret("abc"))),
        ..Ask::default()
    };
    assert_up(&probe(&spec(&ear.server.http(), bearer)).await, 200);
    let heard = ear.heard().concat();
    assert!(has_line(&heard, "Authorization: Bearer abc"), "{heard}");
    // nobody looks at the body: nothing is said of compression
    assert!(!heard.to_lowercase().contains("accept-encoding"), "{heard}");
    let mut looking = spec(&ear.server.http(), Ask::default());
    looking.expect.body = Some(Pattern::new("hello").unwrap());
    assert_up(&probe(&looking).await, 200);
    assert!(has_line(&ear.heard().concat(), "Accept-Encoding: identity"));
}

#[tokio::test]
async fn every_method_is_asked_as_it_is_written() {
    let ear = Ear::new(|said| {
        if said.starts_with("HEAD") {
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned()
        } else {
            ok("hello")
        }
    })
    .await;
    for method in Method::ALL {
        let ask = Ask {
            method: Some(method),
            ..Ask::default()
        };
        assert_up(&probe(&spec(&ear.server.http(), ask)).await, 200);
        let heard = ear.heard().concat();
        assert!(
            heard.starts_with(&format!("{method} / HTTP/1.1\r\n")),
            "{heard}"
        );
    }
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_our_own_fault() {
    let ear = Ear::content().await;
    let ask = Ask {
        body: Some(secret("${PINGU_NOBODY_SET_THIS}")),
        ..Ask::default()
    };
    let observation = probe(&spec(&ear.server.http(), ask)).await;
    assert_eq!(observation.verdict.outcome(), Outcome::Unknown);
    let error = "the variable PINGU_NOBODY_SET_THIS is not set in this process";
    assert_eq!(error_of(&observation), error);
    assert_eq!(ear.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_post_becomes_a_get_where_the_standard_says_so() {
    for (status, line, has_body) in [
        (301, "GET /there HTTP/1.1", false),
        (302, "GET /there HTTP/1.1", false),
        (303, "GET /there HTTP/1.1", false),
        (307, "POST /there HTTP/1.1", true),
        (308, "POST /there HTTP/1.1", true),
    ] {
        let ear = Ear::new(move |said| {
            if said.contains(" / HTTP") {
                moved(status, "/there")
            } else {
                ok("")
            }
        })
        .await;
        let ask = Ask {
            headers: vec![header("Content-Type", "text/plain"), header("X-A", "b")],
            body: Some(secret("the body")),
            ..Ask::default()
        };
        assert_up(&probe(&spec(&ear.server.http(), ask)).await, 200);
        let heard = ear.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(has_line(&heard[1], line), "{status}: {}", heard[1]);
        assert!(has_line(&heard[1], "X-A: b"), "{status}");
        assert_eq!(heard[1].ends_with("the body"), has_body, "{status}");
        assert_eq!(has_line(&heard[1], "Content-Type: text/plain"), has_body);
    }
}

#[tokio::test]
async fn nothing_that_identifies_the_asker_goes_to_another_origin() {
    let away = Ear::content().await;
    let place = away.server.http();
    let to = place.clone();
    let home = Ear::new(move |said| {
        if said.contains(" / HTTP") {
            moved(307, "/home")
        } else {
            moved(307, &to)
        }
    })
    .await;
    let ask = Ask {
        headers: vec![
            header("Cookie", "session=hunter2hunter2"),
            header("X-Api-Key", "hunter2"),
            header("Host", "home.example"),
            header("Accept-Language", "fr"),
        ],
        body: Some(secret("no secret")),
        credentials: Some(Credentials::Basic {
            username: secret("ada"),
            password: secret("hunter2"),
        }),
        ..Ask::default()
    };
    assert_up(&probe(&spec(&home.server.http(), ask.clone())).await, 200);
    let at_home = home.heard();
    assert_eq!(at_home.len(), 2);
    for heard in &at_home {
        assert!(has_line(heard, "Cookie: session=hunter2hunter2"), "{heard}");
        assert!(has_line(heard, "Authorization: Basic YWRhOmh1bnRlcjI="));
        assert!(has_line(heard, "Host: home.example"));
    }
    let elsewhere = away.heard().concat();
    assert!(elsewhere.ends_with("no secret") && has_line(&elsewhere, "Accept-Language: fr"));
    for word in [
        "hunter2",
        "Authorization",
        "Cookie",
        "X-Api-Key",
        "home.example",
    ] {
        let elsewhere = elsewhere.to_lowercase();
        assert!(!elsewhere.contains(&word.to_lowercase()), "{elsewhere}");
    }
    // a body with the value of a variable in it stays as well
    let ask = Ask {
        body: Some(secret(&format!("${{{VARIABLE}}}"))),
        ..ask
    };
    let observation = probe(&spec(&home.server.http(), ask)).await;
    let error = format!("redirect to {place}, which is not sent a body with secrets in it");
    assert_down(&observation, Reason::Redirect, &error);
    assert_eq!(away.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn redirects_are_followed_as_the_target_wants() {
    let farm = Farm::start().await;
    let with = |path: &str, most| HttpSpec {
        max_redirects: most,
        ..spec(&farm.http(path), Ask::default())
    };
    assert_up(&probe(&with("/hops/2", None)).await, 302);
    assert_eq!(hops(&probe(&with("/hops/2", None)).await), []);
    assert_up(&probe(&with("/hops/2", Some(2))).await, 200);
    let observation = probe(&with("/hops/2", Some(1))).await;
    assert_down(
        &observation,
        Reason::Redirect,
        "more than 1 redirect, the next to ",
    );
    let observation = probe(&with("/hops/2", Some(0))).await;
    assert_down(
        &observation,
        Reason::Redirect,
        "more than 0 redirects, the next to ",
    );
    assert_up(&probe(&with("/hops/20", Some(20))).await, 200);
}

#[tokio::test]
async fn every_hop_is_recorded_without_secrets() {
    let farm = Farm::start().await;
    let url = farm
        .http("/hops/2")
        .replace("http://", "http://ada:hunter2@");
    let observation = probe(&spec(&url, Ask::default())).await;
    let hops_taken = hops(&observation);
    let seen: Vec<_> = hops_taken
        .iter()
        .map(|hop| (hop.url.as_str().to_owned(), hop.status))
        .collect();
    let expected = [("/hops/2", 302), ("/hops/1", 302), ("/hops/0", 200)];
    assert_eq!(
        seen,
        expected.map(|(path, status)| (farm.http(path), status))
    );
    let sum: u64 = hops_taken.iter().map(|hop| u64::from(hop.took_us)).sum();
    let latency = observation.measurement.latency.unwrap().as_micros();
    assert!(u128::from(sum) <= latency, "{observation:?}");
    assert!(hops_taken.iter().all(|hop| hop.took_us > 0));

    // a place that is refused is where the way ends
    let looping = probe(&spec(&farm.http("/loop"), Ask::default())).await;
    assert_eq!(hops(&looping).len(), 1);
    assert_eq!(
        hops(&probe(&spec(&farm.http("/ok"), Ask::default())).await),
        []
    );
    let deep = probe(&spec(&farm.http("/deep/relative"), Ask::default())).await;
    assert!(hops(&deep)[1].url.as_str().ends_with("/ok?…"), "{deep:?}");
}

/// Sends back whatever it was sent, wherever it can.
#[tokio::test]
async fn a_server_that_repeats_secrets_does_not_get_them_into_a_result() {
    let value = std::env::var(VARIABLE).unwrap();
    let quoted = value.replace(' ', "%20");
    let parrot = Ear::new(move |said| {
        let path = said.split(' ').nth(1).unwrap_or("/").to_owned();
        let json = format!("{{\"said\": \"{value} hunter2hunter2\"}}");
        match path.as_str() {
            "/loop" => moved(
                302,
                &format!("/hunter2hunter2/{quoted}?token=hunter2hunter2"),
            ),
            "/bad" => moved(302, &format!("http://[{value} hunter2hunter2")),
            "/header" => format!(
                "HTTP/1.1 200 OK\r\nX-Said: hunter2hunter2 {value}\r\nContent-Length: 0\r\n\r\n"
            ),
            "/json" => ok(&json),
            _ => moved(302, &path),
        }
    })
    .await;
    let ask = Ask {
        headers: vec![header("X-Key", &format!("${{{VARIABLE}}}"))],
        credentials: Some(Credentials::Bearer(secret("hunter2hunter2"))),
        ..Ask::default()
    };
    let expect = Expect {
        json: vec![JsonMatch {
            path: JsonPath::new("$.said").unwrap(),
            value: 1.into(),
        }],
        headers: vec![],
        ..Expect::default()
    };
    let value = std::env::var(VARIABLE).unwrap();
    for path in ["loop", "bad", "header", "json"] {
        let mut asked = spec(&format!("{}{path}", parrot.server.http()), ask.clone());
        if path == "json" {
            *asked.expect = expect.clone();
        }
        if path == "header" {
            asked.expect.headers = vec![pingu::model::HeaderMatch {
                name: "X-Said".to_owned(),
                pattern: Pattern::new("nothing of the kind").unwrap(),
            }];
        }
        let observation = probe(&asked).await;
        assert_eq!(observation.verdict.outcome(), Outcome::Down, "{path}");
        let shown = format!("{observation:?} {asked:?}");
        let told = error_of(&observation);
        assert!(told.contains("***"), "{path}: {told}");
        for secret in [
            "hunter2",
            &value,
            &value[..20],
            &value[..20].replace(' ', "%20"),
        ] {
            assert!(!shown.contains(secret), "{path}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_way_of_slow_hops_ends_at_the_deadline() {
    let farm = Farm::start().await;
    let prober = prober();
    let mut weary = spec(&farm.http("/weary/0"), Ask::default());
    weary.max_redirects = Some(20);
    for url in [farm.http("/weary/0"), farm.http("/drip-moved")] {
        weary.url = url.parse().unwrap();
        let began = tokio::time::Instant::now();
        let observation = prober.probe(&weary, BRIEF).await;
        let took = began.elapsed();

        assert!(took >= BRIEF && took < BRIEF + SLACK, "{took:?}");
        assert_down(
            &observation,
            Reason::Timeout,
            "no answer within 400 ms, stuck ",
        );
        assert_eq!(observation.measurement.latency, None);
    }
}
