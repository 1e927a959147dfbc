//! One name, from the hosts file through the search list to the name servers.
//!
//! Each question goes to the server that answered last; another server, or the same again, is asked whenever one stays silent, and all
//! of them may still answer. Ends by itself within [`LIMIT`].

use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::{sleep, timeout};

use super::health::Heard;
use super::system::System;
use crate::model::Family;

/// No lookup takes longer: three times [`PATIENCE`] and a second for the last to answer.
pub(super) const LIMIT: Duration = Duration::from_secs(4);
/// How long a server may think before another is asked too.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a question is asked at least, on one server or several.
const ATTEMPTS: usize = 3;
/// How long the second family may take once the first has an address (RFC 8305 section 3 allows 50 ms; the answer is cached here).
const SECOND_FAMILY: Duration = Duration::from_millis(200);

/// Addresses in the order of the answer and how long they may be kept.
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// Why a question has no addresses. Later is more telling: of several misses the greatest is reported.
pub(super) enum Miss {
    NoRecords,
    /// No answer in time.
    Silent,
    /// No server could even be asked.
    Unreachable(io::Error),
    Refused(ResponseCode),
    NoSuchName,
}

impl Miss {
    const fn weight(&self) -> u8 {
        match self {
            Self::NoRecords => 0,
            Self::Silent => 1,
            Self::Unreachable(_) => 2,
            Self::Refused(_) => 3,
            Self::NoSuchName => 4,
        }
    }

    fn worse(self, other: Self) -> Self {
        if self.weight() >= other.weight() {
            self
        } else {
            other
        }
    }
}

pub(super) async fn look_up(
    system: &System,
    heard: &Heard,
    name: &Name,
    family: Family,
) -> Result<Found, Miss> {
    let addresses = system.hosts_entry(name, family);
    if !addresses.is_empty() {
        let ttl = Duration::ZERO;
        return Ok(Found { addresses, ttl });
    }
    // there never is such a name, so nobody is asked (RFC 6761 section 6.4)
    if name.iter().next_back() == Some(b"invalid".as_slice()) {
        return Err(Miss::NoSuchName);
    }
    let mut first_miss = None;
    for candidate in system.candidates(name) {
        match of_family(system, heard, &candidate, family).await {
            Ok(found) => return Ok(found),
            // libc goes on with the search list after these
            Err(miss @ (Miss::NoRecords | Miss::NoSuchName | Miss::Refused(_))) => {
                first_miss.get_or_insert(miss);
            }
            Err(miss) => return Err(miss),
        }
    }
    Err(first_miss.unwrap_or(Miss::NoSuchName))
}

async fn of_family(
    system: &System,
    heard: &Heard,
    name: &Name,
    family: Family,
) -> Result<Found, Miss> {
    match family {
        Family::V4 => records(system, heard, name, RecordType::A).await,
        Family::V6 => records(system, heard, name, RecordType::AAAA).await,
        Family::Any => of_both(system, heard, name).await,
    }
}

async fn of_both(system: &System, heard: &Heard, name: &Name) -> Result<Found, Miss> {
    let mut questions = FuturesUnordered::new();
    questions.push(records(system, heard, name, RecordType::AAAA));
    questions.push(records(system, heard, name, RecordType::A));
    let first = questions.next().await.unwrap_or(Err(Miss::Silent));
    match first {
        Ok(first) => {
            let second = timeout(SECOND_FAMILY, questions.next()).await;
            let Ok(Some(Ok(second))) = second else {
                return Ok(first);
            };
            Ok(Found {
                addresses: [first.addresses, second.addresses].concat(),
                ttl: first.ttl.min(second.ttl),
            })
        }
        // the name does not exist in any family (RFC 8020)
        Err(Miss::NoSuchName) => Err(Miss::NoSuchName),
        Err(miss) => match questions.next().await {
            Some(Ok(second)) => Ok(second),
            Some(Err(second)) => Err(miss.worse(second)),
            None => Err(miss),
        },
    }
}

async fn records(
    system: &System,
    heard: &Heard,
    name: &Name,
    record_type: RecordType,
) -> Result<Found, Miss> {
    let servers = &system.servers;
    let attempts = if servers.is_empty() {
        0
    } else {
        ATTEMPTS.max(servers.len())
    };
    let first = system.preferred.load(Ordering::Relaxed);
    let mut asked = FuturesUnordered::new();
    let mut next = 0;
    let mut miss = Miss::Silent;
    let mut refusals = 0;
    loop {
        if next < attempts {
            let at = first.wrapping_add(next) % servers.len();
            next += 1;
            asked.push(async move { (at, servers[at].ask(name, record_type).await) });
        }
        let patience = async {
            if next < attempts {
                sleep(PATIENCE).await;
            } else {
                // the caller's limit ends the wait for the last
                pending::<()>().await;
            }
        };
        let answer = tokio::select! {
            answer = asked.next() => answer,
            () = patience => continue,
        };
        match answer {
            Some((at, Ok(message))) => match read(&message, record_type) {
                Err(refused @ Miss::Refused(_)) => {
                    heard.health().refused(Instant::now());
                    miss = refused.worse(miss);
                    refusals += 1;
                }
                conclusive => {
                    heard.health().concluded(Instant::now());
                    system.preferred.store(at, Ordering::Relaxed);
                    return conclusive;
                }
            },
            Some((_, Err(error))) => {
                miss = Miss::Unreachable(error).worse(miss);
                refusals += 1;
            }
            // nothing was asked: no servers
            None => return Err(miss),
        }
        // every server was asked and turned it down: asking again would be a hammer
        if asked.is_empty() && refusals >= servers.len() {
            return Err(miss);
        }
    }
}

/// What an answer says, by its code and its records. The server has followed aliases already (RFC 1034 section 4.3.2).
fn read(message: &Message, record_type: RecordType) -> Result<Found, Miss> {
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Err(Miss::NoSuchName),
        code => return Err(Miss::Refused(code)),
    }
    let wanted = message
        .answers
        .iter()
        .filter(|record| record.record_type() == record_type);
    let addresses: Vec<IpAddr> = wanted.filter_map(|record| record.data.ip_addr()).collect();
    if addresses.is_empty() {
        return Err(Miss::NoRecords);
    }
    let ttl = message.answers.iter().map(|record| record.ttl).min();
    Ok(Found {
        addresses,
        ttl: Duration::from_secs(ttl.unwrap_or(0).into()),
    })
}

/// The usual short name of a response code.
pub(super) fn code_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("code {}", u16::from(other)),
    }
}

/// Asks every server for the root, which any of them knows, and waits for the first conclusion, at most [`PATIENCE`].
pub(super) async fn canary(system: &System, heard: &Heard) {
    let root = Name::root();
    let mut asked: FuturesUnordered<_> = system
        .servers
        .iter()
        .map(|server| {
            server.renew();
            server.ask(&root, RecordType::NS)
        })
        .collect();
    let listening = async {
        while let Some(answer) = asked.next().await {
            let Ok(message) = answer else { continue };
            let now = Instant::now();
            match message.metadata.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => {
                    heard.health().concluded(now);
                    return;
                }
                _ => heard.health().refused(now),
            }
        }
    };
    // nothing heard in time is as much of an answer
    let _ = timeout(PATIENCE, listening).await;
}
