//! The phases of an exchange are its latency cut into pieces: never more than the whole, and little less.
//!
//! What is in no phase: our own work between two steps (a request is written, an answer is parsed, the connection of the hop before is
//! closed), which is some microseconds a hop.

use std::time::Duration;

use pingu::model::{Expect, HttpSpec, Pattern};
use pingu::probe::http::HttpProber;
use pingu::probe::resolve::Resolver;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::farm::judge::{phases, sum};
use crate::farm::{Farm, Server, request};
use crate::http_probe::{PATIENT, assert_up};

/// How often a case may be disturbed by whatever else runs on this machine.
const TRIES: usize = 20;
/// Of time that no phase accounts for, for each hop: what one undisturbed try of many stays below.
const LOST: Duration = Duration::from_millis(5);

/// How a server takes its time, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Pace {
    redirects: u8,
    first_byte: u8,
    headers: u8,
    body: u8,
}

fn pace() -> impl Strategy<Value = Pace> {
    (0..5_u8, 0..12_u8, 0..12_u8, 0..12_u8).prop_map(|(redirects, first_byte, headers, body)| {
        Pace {
            redirects,
            first_byte,
            headers,
            body,
        }
    })
}

/// Each number of the path is one of the pace.
async fn serve(mut stream: TcpStream) -> Option<()> {
    let said = request(&mut stream).await?;
    let path = said.split(' ').nth(1)?;
    let mut numbers = path
        .trim_start_matches('/')
        .split('-')
        .map(str::parse::<u8>);
    let mut next = || numbers.next()?.ok();
    let [redirects, first_byte, headers, body] = [next()?, next()?, next()?, next()?];
    let wait = |millis: u8| sleep(Duration::from_millis(millis.into()));
    wait(first_byte).await;
    let head = match redirects.checked_sub(1) {
        Some(left) => {
            format!(
                "302 Found\r\nLocation: /{left}-{first_byte}-{headers}-{body}\r\nContent-Length: 5"
            )
        }
        None => "200 OK\r\nContent-Length: 5".to_owned(),
    };
    stream.write_all(b"HTTP/1.1 ").await.ok()?;
    wait(headers).await;
    stream
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .ok()?;
    wait(body).await;
    stream.write_all(b"hello").await.ok()
}

#[test]
fn the_phases_make_up_the_latency_whatever_the_pace() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, prober) = runtime.block_on(async {
        let server = Server::start(|stream| async {
            serve(stream).await;
        })
        .await;
        let roots = Farm::start().await.roots();
        (server, HttpProber::new(Resolver::with_servers(&[]), &roots))
    });
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(24)
    };
    let result = TestRunner::new(config).run(&(pace(), any::<bool>()), |(pace, examined)| {
        let Pace {
            redirects,
            first_byte,
            headers,
            body,
        } = pace;
        let url = format!("{}{redirects}-{first_byte}-{headers}-{body}", server.http());
        let mut spec = HttpSpec::new(url.parse().unwrap(), url);
        if examined {
            *spec.expect = Expect {
                body: Some(Pattern::new("hello").unwrap()),
                ..Expect::default()
            };
        }
        let hops = u32::from(redirects) + 1;
        let mut least_lost = Duration::MAX;
        for _ in 0..TRIES {
            let observation = runtime.block_on(prober.probe(&spec, PATIENT));
            assert_up(&observation, 200);
            let (latency, sum) = (observation.measurement.latency.unwrap(), sum(&observation));
            prop_assert!(sum <= latency, "{observation:?}");
            // a timer never ends early: what the server waited is in the phase that it waited in
            let parts = phases(&observation);
            let waited = |millis: u8| u32::from(millis) * 1000;
            prop_assert!(
                parts.ttfb_us.unwrap() >= hops * waited(first_byte),
                "{observation:?}"
            );
            let transfer = hops * waited(headers) + waited(body);
            prop_assert!(parts.transfer_us.unwrap() >= transfer, "{observation:?}");
            least_lost = least_lost.min(latency.saturating_sub(sum));
            if least_lost < LOST * hops {
                return Ok(());
            }
        }
        Err(TestCaseError::fail(format!(
            "{least_lost:?} of the latency are in no phase: {pace:?}"
        )))
    });
    result.unwrap();
}
