//! What both backends store of a result and of a target, and how it becomes a value again.
//!
//! A row that this program cannot read is a fault of the database, said as such, never a panic: it may have been edited.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::StoreError;
use super::plan::Existing;
use crate::model::{
    ErrorText, Failure, IncidentRule, Measurement, Observation, Outcome, ProbeResult, Reason,
    StoredResult, TargetId, TargetSpec, Timestamp, Verdict, micros,
};

/// What `key % 4` of a verdict says.
pub const fn outcome_code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Up => 1,
        Outcome::Down => 2,
        Outcome::Unknown => 3,
    }
}

/// The outcome of a code, or of a verdict's key.
pub fn outcome(verdict_key: i64) -> Result<Outcome, StoreError> {
    match verdict_key % 4 {
        1 => Ok(Outcome::Up),
        2 => Ok(Outcome::Down),
        3 => Ok(Outcome::Unknown),
        _ => Err(unreadable("verdict", verdict_key)),
    }
}

pub fn unreadable(what: &str, value: impl std::fmt::Display) -> StoreError {
    StoreError::Fault(format!("a stored {what} cannot be read: {value:.80}"))
}

/// Microseconds as the columns hold them: at most 35 minutes, far beyond any timeout that makes sense.
pub fn column_micros(duration: Duration) -> i64 {
    micros(duration).min(i64::from(i32::MAX))
}

pub fn detail_json(result: &ProbeResult) -> Option<String> {
    let detail = result.observation.measurement.detail.as_deref()?;
    Some(serde_json::to_string(detail).expect("plain values always serialise"))
}

/// Of one series' results, the oldest first: when the outcome of the last began among them, and whether it is that of all.
pub fn outcome_began<'a>(
    results: impl DoubleEndedIterator<Item = &'a ProbeResult>,
) -> Option<(Timestamp, bool)> {
    let mut newest_first = results.rev();
    let last = newest_first.next()?;
    let mut began = last.slot;
    for earlier in newest_first {
        if earlier.outcome() != last.outcome() {
            return Some((began, false));
        }
        began = earlier.slot;
    }
    Some((began, true))
}

/// Whose results they are.
#[derive(Debug, Clone)]
pub struct Owner {
    pub target: TargetId,
    pub target_name: Arc<str>,
    pub location: Arc<str>,
}

/// The columns of a stored result and of its verdict.
#[derive(Debug)]
pub struct ResultColumns<'a> {
    pub slot: Timestamp,
    pub id: i64,
    pub lag_us: i64,
    pub latency_us: Option<i64>,
    pub detail: Option<&'a str>,
    pub verdict_key: i64,
    pub slow: bool,
    pub reason: &'a str,
    pub status_code: i64,
    pub resolved_ip: &'a str,
    pub error: &'a str,
}

impl ResultColumns<'_> {
    pub fn result(&self, owner: &Owner) -> Result<StoredResult, StoreError> {
        let verdict = match outcome(self.verdict_key)? {
            Outcome::Up => Verdict::Up,
            Outcome::Down => Verdict::Down(self.failure()?),
            Outcome::Unknown => Verdict::Unknown(self.failure()?),
        };
        let resolved_ip = match self.resolved_ip {
            "" => None,
            written => Some(
                written
                    .parse::<IpAddr>()
                    .map_err(|_| unreadable("address", written))?,
            ),
        };
        let detail = self
            .detail
            .map(|json| serde_json::from_str(json).map_err(|_| unreadable("detail", json)))
            .transpose()?;
        Ok(StoredResult {
            id: self.id,
            target_name: Arc::clone(&owner.target_name),
            location: Arc::clone(&owner.location),
            result: ProbeResult {
                target: owner.target,
                slot: self.slot,
                lag: Duration::from_micros(self.lag_us.unsigned_abs()),
                slow: self.slow,
                observation: Observation {
                    verdict,
                    measurement: Measurement {
                        latency: self
                            .latency_us
                            .map(|us| Duration::from_micros(us.unsigned_abs())),
                        status_code: u16::try_from(self.status_code)
                            .ok()
                            .filter(|&code| code != 0),
                        resolved_ip,
                        detail,
                        chain: None,
                    },
                },
            },
        })
    }

    fn failure(&self) -> Result<Failure, StoreError> {
        let reason = Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == self.reason)
            .ok_or_else(|| unreadable("reason", self.reason))?;
        Ok(Failure {
            reason,
            error: ErrorText::new(self.error),
        })
    }
}

/// The columns of a stored target.
#[derive(Debug)]
pub struct TargetColumns {
    pub id: TargetId,
    pub slug: Option<String>,
    pub name: String,
    pub present: bool,
    pub enabled: bool,
    pub interval_us: i64,
    pub timeout_us: i64,
    pub slow_after_us: i64,
    pub group: Option<String>,
    /// JSON.
    pub tags: String,
    pub description: Option<String>,
    /// JSON.
    pub spec: String,
    pub fail_after: i64,
    pub recover_after: i64,
    pub created_at: Timestamp,
}

impl TargetColumns {
    pub fn existing(self) -> Result<Existing, StoreError> {
        let duration = |micros: i64| Duration::from_micros(micros.unsigned_abs());
        let times = |times| u8::try_from(times).map_err(|_| unreadable("rule", times));
        let tags = serde_json::from_str(&self.tags);
        let probe = serde_json::from_str(&self.spec);
        Ok(Existing {
            id: self.id,
            slug: self.slug,
            present: self.present,
            created_at: self.created_at,
            spec: TargetSpec {
                name: self.name,
                enabled: self.enabled,
                interval: duration(self.interval_us),
                timeout: duration(self.timeout_us),
                slow_after: duration(self.slow_after_us),
                incident: IncidentRule {
                    fail_after: times(self.fail_after)?,
                    recover_after: times(self.recover_after)?,
                },
                group: self.group,
                tags: tags.map_err(|_| unreadable("tag list", &self.tags))?,
                description: self.description,
                probe: probe.map_err(|_| unreadable("probe spec", &self.spec))?,
            },
        })
    }
}
