//! Every kind of sick target at once, through the whole service: each gets its own verdict, and nobody else notices.

use serde_json::Value;

use crate::farm::{Certificate, Farm};
use crate::pingu::{Home, Pingu};

/// Name, URL, outcome, reason, and words of the error.
type Case = (
    &'static str,
    String,
    &'static str,
    Option<&'static str>,
    &'static str,
);

async fn cases(farm: &mut Farm) -> Vec<Case> {
    let expired = farm.https_with(&Certificate::Expired, "/ok").await;
    let down = "down";
    vec![
        ("healthy", farm.http("/ok"), "up", None, ""),
        ("moved", farm.http("/hops/3"), "up", None, ""),
        ("endless-body", farm.http("/endless-body"), "up", None, ""),
        (
            "refusing",
            format!("http://{}/", Farm::closed()),
            down,
            Some("refused"),
            "refused the connection",
        ),
        (
            "silent",
            format!("http://{}/", farm.silent()),
            down,
            Some("timeout"),
            "no answer within 900 ms",
        ),
        (
            "unreachable-syn",
            format!("http://{}/", farm.full()),
            down,
            Some("timeout"),
            "no answer within 900 ms",
        ),
        (
            "dripping",
            farm.http("/drip-headers"),
            down,
            Some("timeout"),
            "no answer within 900 ms",
        ),
        (
            "nowhere",
            "http://nothing.invalid/".to_owned(),
            down,
            Some("dns"),
            "no address for nothing.invalid",
        ),
        (
            "looping",
            farm.http("/loop"),
            down,
            Some("redirect"),
            "redirect",
        ),
        (
            "to-a-file",
            farm.http("/to-file"),
            down,
            Some("redirect"),
            "file",
        ),
        (
            "sick",
            farm.http("/status/503"),
            down,
            Some("status"),
            "status 503",
        ),
        (
            "untrusted",
            farm.https("/ok"),
            down,
            Some("tls"),
            "certificate",
        ),
        ("expired", expired, down, Some("cert_expired"), "expired"),
        (
            "stalled-tls",
            format!("https://{}/", farm.silent()),
            down,
            Some("timeout"),
            "no answer within 900 ms",
        ),
        ("garbage", farm.http("/garbage"), down, Some("protocol"), ""),
        ("cut", farm.http("/reset"), down, Some("reset"), ""),
        (
            "fat",
            farm.http("/endless-header"),
            down,
            Some("too_large"),
            "",
        ),
    ]
}

fn targets(cases: &[Case]) -> String {
    let mut file = "defaults: {interval_seconds: 1, timeout_ms: 900}\ntargets:\n".to_owned();
    for (name, url, ..) in cases {
        file.push_str("  - {name: ");
        file.push_str(name);
        file.push_str(", type: http, url: '");
        file.push_str(url);
        file.push_str("'}\n");
    }
    file.push_str(
        "  - {name: lo, type: icmp, host: 127.0.0.1, interval_seconds: 0.1, timeout_ms: 100}\n",
    );
    file
}

/// How many slots of `name` have no result, between its first and its last.
fn gaps(pingu: &Pingu, name: &str, interval: i64) -> i64 {
    let results = pingu.items(&format!("/targets/{name}/results?limit=1000"));
    let slots: Vec<_> = results
        .iter()
        .map(|result| {
            let slot: pingu::model::Timestamp = result["ts"].as_str().unwrap().parse().unwrap();
            slot.as_micros()
        })
        .collect();
    (slots[0] - slots[slots.len() - 1]) / interval + 1 - slots.len() as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sick_target_gets_its_verdict_and_delays_nobody() {
    let mut farm = Farm::start().await;
    let cases = cases(&mut farm).await;
    let home = Home::new(&targets(&cases));
    let run = move || {
        let pingu = home.start();
        // two rounds of everything: by then the slow ones have been waited for
        pingu.until("two results of each", |pingu| {
            cases
                .iter()
                .all(|(name, ..)| pingu.items(&format!("/targets/{name}/results")).len() >= 2)
                .then_some(())
        });
        for (name, _, outcome, reason, words) in &cases {
            let result = pingu.latest(name);
            assert_eq!(result["outcome"], *outcome, "{name}: {result}");
            assert_eq!(
                result["reason"],
                reason.map_or(Value::Null, Value::from),
                "{name}: {result}"
            );
            let error = result["error"].as_str().unwrap_or_default();
            assert!(error.contains(words), "{name}: {result}");
            assert_eq!(error.is_empty(), *outcome == "up", "{name}: {result}");
        }
        assert_eq!(pingu.latest("sick")["status_code"], 503);
        assert!(
            pingu.latest("sick")["latency_us"].is_number(),
            "a 503 is an answer"
        );
        assert!(pingu.latest("expired")["cert_expires_at"].is_string());
        let missed = pingu.metric("pingu_slots_missed_total");
        assert!(
            gaps(&pingu, "lo", 100_000) <= missed,
            "a slot without a result is counted"
        );
        assert!(gaps(&pingu, "healthy", 1_000_000) <= missed);
        let (status, log) = pingu.stop();
        assert!(status.success(), "{log}");
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}
