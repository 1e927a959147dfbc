//! Rows to values and back.
//!
//! A row that this program cannot read is a fault of the database, said as such, never a panic: the file may have been edited.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Row;

use super::super::StoreError;
use super::super::plan::Existing;
use super::days::Day;
use super::store_error;
use crate::model::{
    ErrorText, Failure, Measurement, Observation, Outcome, ProbeResult, ProbeSpec, Reason,
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

/// Where the time of a row comes from: a full instant, or an offset in a day's table.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    Epoch,
    Day(Day),
}

/// Whose results they are.
#[derive(Debug, Clone)]
pub struct Owner {
    pub target: TargetId,
    pub target_name: Arc<str>,
    pub location: Arc<str>,
}

/// Reads the eleven columns that `result_page` and `latest` begin with.
pub fn stored_result(
    row: &Row<'_>,
    origin: Origin,
    owner: &Owner,
) -> Result<StoredResult, StoreError> {
    let number = |index| row.get::<_, i64>(index).map_err(store_error);
    let at = number(0)?;
    let text = |index| -> Result<&str, StoreError> {
        row.get_ref(index)
            .map_err(store_error)?
            .as_str()
            .map_err(|error| unreadable("text", error))
    };
    let verdict_key = number(5)?;
    let outcome = outcome(verdict_key)?;
    let failure = || -> Result<Failure, StoreError> {
        let written = text(7)?;
        let reason = Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == written)
            .ok_or_else(|| unreadable("reason", written))?;
        Ok(Failure {
            reason,
            error: ErrorText::new(text(10)?),
        })
    };
    let verdict = match outcome {
        Outcome::Up => Verdict::Up,
        Outcome::Down => Verdict::Down(failure()?),
        Outcome::Unknown => Verdict::Unknown(failure()?),
    };
    let resolved_ip = match text(9)? {
        "" => None,
        written => Some(
            written
                .parse::<IpAddr>()
                .map_err(|_| unreadable("address", written))?,
        ),
    };
    let detail: Option<String> = row.get(4).map_err(store_error)?;
    let detail = detail
        .map(|json| serde_json::from_str(&json).map_err(|_| unreadable("detail", json)))
        .transpose()?;
    let latency: Option<i64> = row.get(3).map_err(store_error)?;
    Ok(StoredResult {
        id: number(1)?,
        target_name: Arc::clone(&owner.target_name),
        location: Arc::clone(&owner.location),
        result: ProbeResult {
            target: owner.target,
            slot: match origin {
                Origin::Epoch => Timestamp::from_micros(at),
                Origin::Day(day) => day.instant(at),
            },
            lag: Duration::from_micros(number(2)?.unsigned_abs()),
            slow: number(6)? != 0,
            observation: Observation {
                verdict,
                measurement: Measurement {
                    latency: latency.map(|us| Duration::from_micros(us.unsigned_abs())),
                    status_code: u16::try_from(number(8)?).ok().filter(|&code| code != 0),
                    resolved_ip,
                    detail,
                },
            },
        },
    })
}

pub fn target_id(text: &str) -> Result<TargetId, StoreError> {
    uuid::Uuid::parse_str(text)
        .map(TargetId)
        .map_err(|_| unreadable("target id", text))
}

/// Reads the columns of `targets_list` and `target_find`.
pub fn existing(row: &Row<'_>) -> Result<Existing, StoreError> {
    let duration = |index| -> Result<Duration, StoreError> {
        let micros: i64 = row.get(index).map_err(store_error)?;
        Ok(Duration::from_micros(micros.unsigned_abs()))
    };
    let text = |index| row.get::<_, String>(index).map_err(store_error);
    let optional = |index| row.get::<_, Option<String>>(index).map_err(store_error);
    let flag = |index| row.get::<_, bool>(index).map_err(store_error);
    let (tags, spec) = (text(9)?, text(11)?);
    let probe: ProbeSpec =
        serde_json::from_str(&spec).map_err(|_| unreadable("probe spec", &spec))?;
    Ok(Existing {
        id: target_id(&text(0)?)?,
        slug: optional(1)?,
        present: flag(3)?,
        spec: TargetSpec {
            name: text(2)?,
            enabled: flag(4)?,
            interval: duration(5)?,
            timeout: duration(6)?,
            slow_after: duration(7)?,
            group: optional(8)?,
            tags: serde_json::from_str(&tags).map_err(|_| unreadable("tag list", &tags))?,
            description: optional(10)?,
            probe,
        },
    })
}
