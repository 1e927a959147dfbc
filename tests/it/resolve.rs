//! Names are resolved through a real name server on loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use pingu::model::Family;
use pingu::model::{Outcome, Reason};
use pingu::probe::resolve::{ResolveError, Resolver};
use tokio::time::Instant;

use crate::farm::dns::{NameServer, Says};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// More than any lookup takes by itself.
const LONG: Duration = Duration::from_secs(20);

fn by(server: &NameServer) -> Resolver {
    Resolver::with_servers(&[server.address])
}

async fn resolve(
    resolver: &Resolver,
    name: &str,
    family: Family,
) -> Result<Vec<IpAddr>, ResolveError> {
    let addresses = resolver
        .resolve(name, family, Instant::now() + LONG)
        .await?;
    Ok(addresses.iter().map(SocketAddr::ip).collect())
}

#[tokio::test]
async fn a_name_gives_its_addresses_of_the_wanted_family() {
    let server = NameServer::start([("both.test.", Says::Addresses(vec![V4, V6]))]).await;
    let resolver = by(&server);
    let mut any = resolve(&resolver, "both.test", Family::Any).await.unwrap();
    any.sort();
    assert_eq!(any, [V4, V6]);
    let v4 = resolve(&resolver, "both.test", Family::V4).await;
    assert_eq!(v4, Ok(vec![V4]));
    let v6 = resolve(&resolver, "BOTH.test.", Family::V6).await;
    assert_eq!(v6, Ok(vec![V6]));
}

#[tokio::test]
async fn addresses_and_localhost_need_no_server() {
    let resolver = Resolver::with_servers(&[]);
    for (host, expected) in [("127.0.0.1", V4), ("[::1]", V6), ("::1", V6)] {
        let found = resolve(&resolver, host, Family::Any).await;
        assert_eq!(found, Ok(vec![expected]), "{host}");
    }
    let localhost = resolve(&resolver, "localhost", Family::V4).await;
    assert_eq!(localhost, Ok(vec![V4]));
    let wrong = resolve(&resolver, "127.0.0.1", Family::V6)
        .await
        .unwrap_err();
    assert!(matches!(wrong, ResolveError::NotFound { .. }), "{wrong:?}");
}

#[tokio::test]
async fn many_who_ask_at_once_are_one_question() {
    let says = Says::Late(Duration::from_millis(100), vec![V4]);
    let server = NameServer::start([("once.test.", says)]).await;
    let resolver = by(&server);
    let asking = (0..200).map(|_| resolve(&resolver, "once.test", Family::V4));
    for found in futures_util::future::join_all(asking).await {
        assert_eq!(found, Ok(vec![V4]));
    }
    resolve(&resolver, "once.test", Family::V4).await.unwrap();
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn failures_tell_what_the_server_said() {
    let server = NameServer::start([
        ("empty.test.", Says::Addresses(vec![])),
        ("broken.test.", Says::Code(ResponseCode::ServFail)),
        ("denied.test.", Says::Code(ResponseCode::Refused)),
        ("v4only.test.", Says::Addresses(vec![V4])),
    ])
    .await;
    let resolver = by(&server);
    for (name, family, expected) in [
        (
            "nosuch.test",
            Family::Any,
            "no address for nosuch.test (NXDOMAIN)",
        ),
        (
            "empty.test",
            Family::Any,
            "no address for empty.test (no records)",
        ),
        (
            "v4only.test",
            Family::V6,
            "no address for v4only.test (no records)",
        ),
        (
            "broken.test",
            Family::Any,
            "no address for broken.test: the name server answered SERVFAIL",
        ),
        (
            "denied.test",
            Family::V4,
            "no address for denied.test: the name server answered REFUSED",
        ),
        (
            "a..b",
            Family::Any,
            "no address for a..b (not a valid name)",
        ),
    ] {
        let error = resolve(&resolver, name, family).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.verdict().outcome(), Outcome::Down);
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = NameServer::start([("big.test.", Says::Truncated(vec![V4]))]).await;
    let found = resolve(&by(&server), "big.test", Family::V4).await;
    assert_eq!(found, Ok(vec![V4]));
}

#[tokio::test]
async fn answers_to_other_questions_are_not_believed() {
    let server = NameServer::start([("noisy.test.", Says::Noise(vec![V4]))]).await;
    let found = resolve(&by(&server), "noisy.test", Family::V4).await;
    assert_eq!(found, Ok(vec![V4]));
}

#[tokio::test]
async fn a_silent_name_is_down_while_the_server_answers_at_all() {
    let server = NameServer::start([]).await;
    let resolver = by(&server);
    let began = Instant::now();
    let allowed = Duration::from_millis(1500);
    let deadline = began + allowed;
    let error = resolver
        .resolve("a.silent.test", Family::Any, deadline)
        .await
        .unwrap_err();
    assert!(began.elapsed() >= allowed);
    assert!(began.elapsed() < allowed + LONG);
    let expected = ResolveError::Timeout {
        name: "a.silent.test".into(),
    };
    assert_eq!(error, expected);
    assert_eq!(error.verdict().outcome(), Outcome::Down);
    // and without a deadline the lookup gives up by itself
    let error = resolve(&resolver, "b.silent.test", Family::Any).await;
    assert!(
        matches!(error, Err(ResolveError::Timeout { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn names_that_fall_silent_one_after_another_are_each_blamed_alone() {
    let server = NameServer::start([]).await;
    let resolver = by(&server);
    // so close together that they share the question for the root
    let asking = (0..6_u32).map(|number| {
        let resolver = resolver.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(90) * number).await;
            let name = format!("n{number}.silent.test");
            let deadline = Instant::now() + Duration::from_secs(3);
            resolver.resolve(&name, Family::V4, deadline).await
        }
    });
    for error in futures_util::future::join_all(asking).await {
        assert!(
            matches!(error, Err(ResolveError::Timeout { .. })),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn silence_for_everything_is_the_prober_s_fault() {
    // bound, so nothing refuses, and never read
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = Resolver::with_servers(&[mute.local_addr().unwrap()]);
    let error = resolve(&resolver, "any.test", Family::Any)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ResolveError::Unreachable { .. }),
        "{error:?}"
    );
    let verdict = error.verdict();
    assert_eq!(verdict.outcome(), Outcome::Unknown);
    assert_eq!(verdict.failure().unwrap().reason, Reason::Local);
}

#[tokio::test]
async fn refusals_of_everything_are_the_prober_s_fault() {
    // as a forwarder does that has lost its uplink
    let server = NameServer::start([
        (".", Says::Code(ResponseCode::ServFail)),
        ("any.test.", Says::Code(ResponseCode::ServFail)),
        ("good.test.", Says::Addresses(vec![V4])),
    ])
    .await;
    let resolver = by(&server);
    let error = resolve(&resolver, "any.test", Family::Any)
        .await
        .unwrap_err();
    assert_eq!(error.verdict().outcome(), Outcome::Unknown);
    let text = error.to_string();
    assert!(text.ends_with(": SERVFAIL for everything)"), "{text}");
    // once another name is answered, it is this name's fault
    let given_up = Instant::now() + LONG;
    loop {
        resolve(&resolver, "good.test", Family::V4).await.unwrap();
        let error = resolve(&resolver, "any.test", Family::V6).await;
        let Err(error) = error else {
            panic!("an address out of nowhere")
        };
        if error.verdict().outcome() == Outcome::Down {
            break;
        }
        assert!(Instant::now() < given_up, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_known_at_once() {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let resolver = Resolver::with_servers(&[address]);
    let began = Instant::now();
    let error = resolve(&resolver, "any.test", Family::Any)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ResolveError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
    // the first answer is final: no lookup waits for its limit of 4 s
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_dead_server_is_replaced_by_the_next() {
    let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let alive = NameServer::start([
        ("one.test.", Says::Addresses(vec![V4])),
        ("two.test.", Says::Addresses(vec![V4])),
    ])
    .await;
    let resolver = Resolver::with_servers(&[dead.local_addr().unwrap(), alive.address]);
    let found = resolve(&resolver, "one.test", Family::V4).await;
    assert_eq!(found, Ok(vec![V4]));
    // the one that answered is asked first from now on
    dead.set_nonblocking(true).unwrap();
    let mut buffer = [0; 512];
    while dead.recv(&mut buffer).is_ok() {}
    let found = resolve(&resolver, "two.test", Family::V4).await;
    assert_eq!(found, Ok(vec![V4]));
    assert!(dead.recv(&mut buffer).is_err());
}

#[tokio::test]
async fn a_hiccup_leaves_a_known_address_to_those_who_want_it() {
    let server = NameServer::start([("steady.test.", Says::Addresses(vec![V4]))]).await;
    let resolver = by(&server);
    let found = resolve(&resolver, "steady.test", Family::V4).await;
    assert_eq!(found, Ok(vec![V4]));
    drop(server);
    let given_up = Instant::now() + LONG + LONG;
    // the address is kept for 5 s, the least there is
    let error = loop {
        match resolve(&resolver, "steady.test", Family::V4).await {
            Ok(_) => assert!(Instant::now() < given_up, "the address never expires"),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(
        matches!(error, ResolveError::Unreachable { .. }),
        "{error:?}"
    );
    let found = resolver
        .resolve_stale_ok("steady.test", Family::V4, Instant::now())
        .await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_silent_names_delay_no_other() {
    let server = NameServer::start([("good.test.", Says::Addresses(vec![V4]))]).await;
    let resolver = by(&server);
    let silent: Vec<_> = (0..10_000)
        .map(|number| {
            let resolver = resolver.clone();
            tokio::spawn(async move {
                let name = format!("n{number}.silent.test");
                let deadline = Instant::now() + Duration::from_secs(3);
                resolver.resolve(&name, Family::Any, deadline).await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let began = Instant::now();
    let good = resolve(&resolver, "good.test", Family::Any).await;
    assert_eq!(good, Ok(vec![V4]));
    // the line of 10,000 moves on by 1,024 every 250 ms: nothing here waits for a silent name's 4 s each
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    assert!(
        server.askers() < 50,
        "a socket for each name: {}",
        server.askers()
    );
    for waiting in silent {
        let error = waiting.await.unwrap().unwrap_err();
        assert!(!matches!(error, ResolveError::NotFound { .. }), "{error:?}");
    }
}
