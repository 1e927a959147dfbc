//! Name servers that are well, ill and malicious, each asked through real sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_resolver::proto::rr::{RData, Record as Entry};
use pingu::model::{DnsSpec, Family, Observation, Outcome, Rcode, Reason, Record, Transport};
use pingu::probe::dns::DnsProber;
use pingu::probe::http::Roots;
use pingu::probe::resolve::Resolver;
use tokio::net::UdpSocket;

use crate::farm::certificate::Authority;
use crate::farm::dns::{NameServer, Says};
use crate::farm::judge::{PATIENT, assert_down, assert_plausible, assert_up, phases, stuck};
use crate::farm::oracle::{Oracle, Over, bytes, code, empty, framed, name, sent, with};
use crate::farm::script::{Scripted, Step, say};
use crate::farm::{Certificate, Farm, Full};

const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn prober() -> DnsProber {
    of(&Authority::new(Authority::NAME))
}

fn of(authority: &Authority) -> DnsProber {
    let roots = Roots::only([authority.der()]).unwrap();
    DnsProber::new(Resolver::with_servers(&[]), &roots)
}

fn spec(port: u16) -> DnsSpec {
    DnsSpec {
        server: Some("127.0.0.1".into()),
        port: Some(port),
        ..DnsSpec::new("www.example.com")
    }
}

async fn probe(spec: &DnsSpec) -> Observation {
    let observation = prober().probe(spec, PATIENT).await;
    assert_plausible(&observation);
    observation
}

fn here() -> RData {
    RData::from(IpAddr::V4(HERE))
}

/// A server that answers with these records, however it is asked.
async fn knowing(records: Vec<RData>) -> Oracle {
    Oracle::start(move |query, over| sent(&with(query, &records), over)).await
}

#[tokio::test]
async fn an_answer_is_up_over_udp_and_over_tcp() {
    let server = knowing(vec![here()]).await;
    let udp = probe(&spec(server.address.port())).await;
    assert_up(&udp);
    let all = phases(&udp);
    assert!(all.ttfb_us.is_some());
    assert_eq!(
        (all.dns_us, all.connect_us, all.tls_us, all.transfer_us),
        (None, None, None, None)
    );
    assert_eq!(udp.measurement.resolved_ip, Some([127, 0, 0, 1].into()));
    let tcp = DnsSpec {
        transport: Transport::Tcp,
        ..spec(server.address.port())
    };
    let tcp = probe(&tcp).await;
    assert_up(&tcp);
    let all = phases(&tcp);
    assert!(all.connect_us.is_some() && all.ttfb_us.is_some() && all.transfer_us.is_some());
}

#[tokio::test]
async fn a_server_may_be_a_name_or_this_machine_s_own() {
    let server = knowing(vec![here()]).await;
    let names =
        NameServer::start([("ns.test.", Says::Addresses(vec![[127, 0, 0, 1].into()]))]).await;
    let roots = Roots::only([Authority::new("A").der()]).unwrap();
    let prober = DnsProber::new(Resolver::with_servers(&[names.address]), &roots);
    let named = DnsSpec {
        server: Some("ns.test".into()),
        ..spec(server.address.port())
    };
    let observation = prober.probe(&named, PATIENT).await;
    assert_up(&observation);
    assert!(phases(&observation).dns_us.is_some());
    let missing = DnsSpec {
        server: Some("nosuch.test".into()),
        ..spec(53)
    };
    assert_down(
        &prober.probe(&missing, PATIENT).await,
        Reason::Dns,
        "NXDOMAIN",
    );

    // the address and the port are those that the machine is configured with
    let prober = DnsProber::new(Resolver::with_servers(&[server.address]), &roots);
    let observation = prober
        .probe(&DnsSpec::new("www.example.com"), PATIENT)
        .await;
    assert_up(&observation);
    assert_eq!(phases(&observation).dns_us, None);
    let six = DnsSpec {
        ip: Family::V6,
        ..DnsSpec::new("www.example.com")
    };
    let observation = prober.probe(&six, PATIENT).await;
    assert_eq!(
        observation.verdict.outcome(),
        Outcome::Unknown,
        "{observation:?}"
    );
}

#[tokio::test]
async fn every_type_of_record_is_compared_as_people_write_it() {
    let txt = TXT::new(vec!["v=spf1 ".to_owned(), "-ALL".to_owned()]);
    let soa = SOA::new(
        name("NS1.example.com."),
        name("admin.example.com."),
        7,
        1,
        2,
        3,
        4,
    );
    let caa = hickory_resolver::proto::rr::rdata::CAA::new_issue(
        false,
        Some(name("letsencrypt.org.")),
        Vec::new(),
    );
    for (record, data, right, wrong) in [
        (Record::A, here(), vec!["192.0.2.1"], "192.0.2.2"),
        (
            Record::Aaaa,
            RData::from("2001:db8::1".parse::<IpAddr>().unwrap()),
            vec!["2001:DB8:0:0::1"],
            "2001:db8::2",
        ),
        (
            Record::Cname,
            RData::CNAME(CNAME(name("Host.example.com."))),
            vec!["host.EXAMPLE.com"],
            "example.com",
        ),
        (
            Record::Ns,
            RData::NS(NS(name("ns.example.com."))),
            vec!["ns.example.com", "ns.example.com."],
            "ns",
        ),
        (
            Record::Ptr,
            RData::PTR(PTR(name("a.example.com."))),
            vec!["a.example.com"],
            "b.example.com",
        ),
        (
            Record::Mx,
            RData::MX(MX::new(10, name("mail.example.com."))),
            vec!["10 mail.example.com", "Mail.example.com."],
            "20 mail.example.com",
        ),
        (
            Record::Srv,
            RData::SRV(SRV::new(1, 2, 5060, name("sip.example.com."))),
            vec!["1 2 5060 sip.example.com", "sip.example.com"],
            "1 2 5061 sip.example.com",
        ),
        (
            Record::Txt,
            RData::TXT(txt),
            vec!["v=spf1 -ALL", "\"v=spf1 \" \"-ALL\""],
            "v=spf1 -all",
        ),
        (
            Record::Soa,
            RData::SOA(soa),
            vec![
                "ns1.example.com",
                "ns1.example.com. admin.example.com. 7 1 2 3 4",
            ],
            "admin.example.com",
        ),
        (
            Record::Caa,
            RData::CAA(caa),
            vec!["0 issue letsencrypt.org", "0 issue \"letsencrypt.org\""],
            "0 issuewild letsencrypt.org",
        ),
    ] {
        let server = knowing(vec![data]).await;
        let asking = |answers: Vec<&str>| DnsSpec {
            record,
            expect_answers: Some(answers.into_iter().map(str::to_owned).collect()),
            ..spec(server.address.port())
        };
        for answer in &right {
            assert_up(&probe(&asking(vec![*answer])).await);
        }
        let observation = probe(&asking(vec![right[0], wrong])).await;
        assert_down(&observation, Reason::Body, "is not among the answers: ");
        assert!(observation.measurement.latency.is_some(), "an answer came");
    }
}

#[tokio::test]
async fn an_alias_is_followed_and_a_stranger_s_record_is_no_answer() {
    let server = Oracle::start(|query, over| {
        let mut message = empty(query);
        let entry = |owner: &str, data| Entry::from_rdata(name(owner), 60, data);
        // the chain backwards, and a loop
        message.answers.push(entry("c.example.net.", here()));
        message.answers.push(entry(
            "b.example.net.",
            RData::CNAME(CNAME(name("c.example.net."))),
        ));
        message.answers.push(entry(
            "www.example.com.",
            RData::CNAME(CNAME(name("B.example.net."))),
        ));
        message.answers.push(entry(
            "c.example.net.",
            RData::CNAME(CNAME(name("b.example.net."))),
        ));
        message.answers.push(entry(
            "evil.example.",
            RData::from(IpAddr::from([192, 0, 2, 66])),
        ));
        sent(&message, over)
    })
    .await;
    let expecting = |answer: &str| DnsSpec {
        expect_answers: Some(vec![answer.to_owned()]),
        ..spec(server.address.port())
    };
    assert_up(&probe(&expecting("192.0.2.1")).await);
    let observation = probe(&expecting("192.0.2.66")).await;
    assert_down(
        &observation,
        Reason::Body,
        "192.0.2.66 is not among the answers: 192.0.2.1",
    );
}

#[tokio::test]
async fn a_code_that_is_not_expected_is_dns() {
    for (said, text) in [
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::FormErr, "FORMERR"),
        (ResponseCode::NotZone, "NOTZONE"),
        (ResponseCode::from(0, 12), "code 12"),
    ] {
        let server = Oracle::start(move |query, over| sent(&code(query, said), over)).await;
        let observation = probe(&spec(server.address.port())).await;
        let error = format!("the name server answered {text}, expected NOERROR");
        assert_down(&observation, Reason::Dns, &error);
        assert!(observation.measurement.latency.is_some(), "an answer came");
    }
    let server =
        Oracle::start(|query, over| sent(&code(query, ResponseCode::NXDomain), over)).await;
    let expecting = |expect_rcode| DnsSpec {
        expect_rcode,
        ..spec(server.address.port())
    };
    assert_up(&probe(&expecting(Rcode::NxDomain)).await);
    let observation = probe(&expecting(Rcode::Refused)).await;
    assert_down(
        &observation,
        Reason::Dns,
        "answered NXDOMAIN, expected REFUSED",
    );
}

#[tokio::test]
async fn an_answer_without_a_record_of_the_type_is_dns_unless_none_is_asked_for() {
    let server = knowing(vec![RData::MX(MX::new(10, name("mail.example.com.")))]).await;
    let observation = probe(&spec(server.address.port())).await;
    assert_down(
        &observation,
        Reason::Dns,
        "the answer has no A record for www.example.com",
    );
    let none = DnsSpec {
        expect_answers: Some(Vec::new()),
        ..spec(server.address.port())
    };
    assert_up(&probe(&none).await);
}

#[tokio::test]
async fn forged_and_late_answers_are_passed_over() {
    let server = Oracle::start(|query, _| {
        let liar = [RData::from(IpAddr::from([192, 0, 2, 66]))];
        let mut other_id = with(query, &liar);
        other_id.metadata.id = !query.metadata.id;
        let mut other_name = with(query, &liar);
        other_name.queries[0].name = name("other.example.");
        let mut no_question = with(query, &liar);
        no_question.queries.clear();
        vec![
            b"?".to_vec(),
            Vec::new(),
            bytes(&other_id),
            bytes(&other_name),
            bytes(&no_question),
            // the question itself, come back
            bytes(query),
            bytes(&with(query, &[here()])),
        ]
    })
    .await;
    let expecting = DnsSpec {
        expect_answers: Some(vec![HERE.to_string()]),
        ..spec(server.address.port())
    };
    assert_up(&probe(&expecting).await);
}

#[tokio::test]
async fn capitals_do_not_make_another_question() {
    let server = Oracle::start(|query, over| {
        let mut message = with(query, &[here()]);
        let lower = query.queries[0].name().to_lowercase();
        message.queries[0].name = lower.clone();
        message.answers[0].name = lower;
        sent(&message, over)
    })
    .await;
    let loud = DnsSpec {
        query: "WWW.Example.COM".to_owned(),
        ..spec(server.address.port())
    };
    assert_up(&probe(&loud).await);
}

#[tokio::test]
async fn a_truncated_answer_without_its_whole_says_both() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut message = empty(&Message::from_vec(&buffer[..length]).unwrap());
            message.metadata.truncation = true;
            socket.send_to(&bytes(&message), from).await.unwrap();
        }
    });
    let observation = probe(&spec(port)).await;
    let error = "truncated over UDP, and over TCP: 127.0.0.1:";
    assert_down(&observation, Reason::Refused, error);
    answering.abort();
}

#[tokio::test]
async fn an_answer_from_another_address_or_port_never_arrives() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            other
                .send_to(&bytes(&with(&query, &[here()])), from)
                .await
                .unwrap();
        }
    });
    let observation =
        stuck(|timeout| async move { prober().probe(&spec(port), timeout).await }).await;
    assert_down(
        &observation,
        Reason::Timeout,
        "waiting for the answer of 127.0.0.1:",
    );
    answering.abort();
}

#[tokio::test]
async fn a_question_has_another_id_and_another_port_each_time() {
    let server =
        NameServer::start([("www.example.com.", Says::Addresses(vec![HERE.into()]))]).await;
    for _ in 0..16 {
        assert_up(&probe(&spec(server.address.port())).await);
    }
    assert_eq!(server.asked(), 16);
    assert!(server.askers() > 12, "{} ports", server.askers());
}

type Rubbish = Box<dyn Fn(&Message) -> Vec<u8> + Send + Sync>;

/// A header with the id of `query` that promises `answers`, the question, and then these bytes.
fn hostile(query: &Message, answers: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = bytes(&empty(query));
    bytes[6..8].copy_from_slice(&answers.to_be_bytes());
    bytes.extend(rest);
    bytes
}

#[tokio::test]
async fn garbage_is_protocol_whatever_its_form() {
    // a name that points at itself, one that points ahead, a record that ends early, records that are not there
    let itself = |query: &Message| {
        let at = bytes(&empty(query)).len() as u16 | 0xc000;
        hostile(
            query,
            1,
            &[
                &at.to_be_bytes()[..],
                &[0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4],
            ]
            .concat(),
        )
    };
    let all: [(&str, Rubbish); 5] = [
        ("a loop", Box::new(itself)),
        (
            "a pointer ahead",
            Box::new(|query| hostile(query, 1, &[0xff, 0xff, 0, 1])),
        ),
        (
            "a short record",
            Box::new(|query| hostile(query, 1, &[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 9, 1])),
        ),
        ("nothing", Box::new(|query| hostile(query, 65_535, &[]))),
        (
            "a header alone",
            Box::new(|query| bytes(query)[..7].to_vec()),
        ),
    ];
    for (what, rubbish) in all {
        let server = Oracle::start(move |query, over| match over {
            Over::Udp => vec![rubbish(query)],
            Over::Stream => vec![framed(&rubbish(query))],
        })
        .await;
        for transport in [Transport::Udp, Transport::Tcp] {
            let spec = DnsSpec {
                transport,
                ..spec(server.address.port())
            };
            let observation = probe(&spec).await;
            let failure = observation.verdict.failure().map(|it| it.reason);
            assert_eq!(failure, Some(Reason::Protocol), "{what}: {observation:?}");
        }
    }
}

#[tokio::test]
async fn a_datagram_beyond_its_bound_is_protocol_and_a_long_stream_is_read() {
    let many: Vec<_> = (0..=255)
        .map(|n| RData::from(IpAddr::from([192, 0, 2, n])))
        .collect();
    let server = knowing(many).await;
    let observation = probe(&spec(server.address.port())).await;
    assert_down(
        &observation,
        Reason::Protocol,
        "4096 bytes or more over UDP",
    );
    let expecting = DnsSpec {
        transport: Transport::Tcp,
        expect_answers: Some(vec!["192.0.2.255".to_owned()]),
        ..spec(server.address.port())
    };
    assert_up(&probe(&expecting).await);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = Oracle::start(|query, over| {
        let mut message = with(query, &[here()]);
        if over == Over::Udp {
            message.answers.clear();
            message.metadata.truncation = true;
        }
        sent(&message, over)
    })
    .await;
    let observation = probe(&spec(server.address.port())).await;
    assert_up(&observation);
    let all = phases(&observation);
    assert!(
        all.connect_us.is_some() && all.transfer_us.is_some(),
        "{all:?}"
    );
    // truncated for ever
    let server = Oracle::start(|query, over| {
        let mut message = empty(query);
        message.metadata.truncation = true;
        sent(&message, over)
    })
    .await;
    let observation = probe(&spec(server.address.port())).await;
    assert_down(
        &observation,
        Reason::Protocol,
        "truncated even on a connection",
    );
}

#[tokio::test]
async fn on_a_connection_nothing_else_may_be_said() {
    let server = Oracle::start(|query, _| {
        let mut other = with(query, &[here()]);
        other.metadata.id = !query.metadata.id;
        vec![framed(&bytes(&other))]
    })
    .await;
    let asking = |port| DnsSpec {
        transport: Transport::Tcp,
        ..spec(port)
    };
    let observation = probe(&asking(server.address.port())).await;
    assert_down(
        &observation,
        Reason::Protocol,
        "the answer is to another question",
    );
    let closing = Oracle::start(|_, _| Vec::new()).await;
    let observation = probe(&asking(closing.address.port())).await;
    assert_down(
        &observation,
        Reason::Reset,
        "closed while waiting for the answer",
    );
    let half = Scripted::start([say([0, 200, 1, 2])]).await;
    let observation = probe(&asking(half.port())).await;
    let reason = observation.verdict.failure().map(|it| it.reason);
    assert_eq!(reason, Some(Reason::Reset), "{observation:?}");
}

#[tokio::test]
async fn a_closed_port_is_refused_by_every_transport() {
    // what nobody has bound: the kernel answers for it (ICMP port unreachable)
    let closed = {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        udp.local_addr().unwrap().port()
    };
    let observation = probe(&spec(closed)).await;
    assert_down(&observation, Reason::Refused, "ICMP port unreachable");
    let asking = DnsSpec {
        transport: Transport::Tcp,
        ..spec(Farm::closed().port())
    };
    assert_down(
        &probe(&asking).await,
        Reason::Refused,
        "refused the connection",
    );
}

#[tokio::test]
async fn over_tls_the_certificate_counts() {
    let authority = Authority::new(Authority::NAME);
    let answer = |query: &Message, over| sent(&with(query, &[here()]), over);
    let asking = |port, server_name: Option<&str>| DnsSpec {
        transport: Transport::Tls,
        server_name: server_name.map(str::to_owned),
        ..spec(port)
    };
    let valid = Oracle::encrypted(authority.acceptor(&Certificate::Valid), answer).await;
    let observation = of(&authority)
        .probe(&asking(valid.address().port(), None), PATIENT)
        .await;
    assert_up(&observation);
    let all = phases(&observation);
    assert!(all.connect_us.is_some() && all.tls_us.is_some() && all.ttfb_us.is_some());
    let detail = observation.measurement.detail.unwrap();
    assert!(detail.cert_expires_at.is_some());

    let named = Certificate::For(vec!["dns.example".to_owned()]);
    let named = Oracle::encrypted(authority.acceptor(&named), answer).await;
    let port = named.address().port();
    assert_up(
        &of(&authority)
            .probe(&asking(port, Some("dns.example")), PATIENT)
            .await,
    );
    let observation = of(&authority).probe(&asking(port, None), PATIENT).await;
    assert_down(
        &observation,
        Reason::Tls,
        "certificate is for dns.example, not for 127.0.0.1",
    );
    let expired = Oracle::encrypted(authority.acceptor(&Certificate::Expired), answer).await;
    let observation = of(&authority)
        .probe(&asking(expired.address().port(), None), PATIENT)
        .await;
    assert_down(&observation, Reason::CertExpired, "expired on 2020-01-02");
    assert!(
        observation
            .measurement
            .detail
            .unwrap()
            .cert_expires_at
            .is_some()
    );
}

#[tokio::test]
async fn the_timeout_ends_every_step() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let forging = Oracle::start(|query, over| {
        let mut other = empty(query);
        other.metadata.id = !query.metadata.id;
        match over {
            Over::Udp => vec![bytes(&other); 1000],
            Over::Stream => vec![vec![1, 0]],
        }
    })
    .await;
    let (full, held) = (Full::start(), Scripted::start([Step::Hold]).await);
    for (transport, port, error) in [
        (
            Transport::Udp,
            silent.local_addr().unwrap().port(),
            "waiting for the answer of",
        ),
        (
            Transport::Udp,
            forging.address.port(),
            "waiting for the answer of",
        ),
        (
            Transport::Tcp,
            full.address().port(),
            "stuck connecting to 127.0.0.1:",
        ),
        (Transport::Tcp, held.port(), "stuck waiting for the answer"),
        (
            Transport::Tcp,
            forging.address.port(),
            "stuck reading the answer",
        ),
        (Transport::Tls, held.port(), "stuck in the TLS handshake"),
    ] {
        let spec = DnsSpec {
            transport,
            ..spec(port)
        };
        let observation = stuck(|timeout: Duration| {
            let spec = spec.clone();
            async move { prober().probe(&spec, timeout).await }
        })
        .await;
        assert_down(&observation, Reason::Timeout, error);
    }
}
