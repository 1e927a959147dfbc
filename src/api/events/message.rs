//! What events say: each kind's data as JSON.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Measured;
use crate::model::{
    Ending, Incident, Outcome, ProbeResult, Reason, StoredIncident, StoredResult, TargetId,
    TargetMap, Timestamp,
};

/// More results than this in one message, and only the newest of each target is told.
const PLENTY: usize = 1000;

/// A result as the list of targets needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    pub target: TargetId,
    pub ts: Timestamp,
    pub outcome: Outcome,
    pub latency_us: Option<u64>,
    /// Up, but slow or with packets lost.
    pub impaired: bool,
}

/// An incident that opened, changed or ended. `(target_id, location, began_at)` is its identity; its id comes with its first writing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentNews {
    pub target_id: Uuid,
    /// Filled in before it is told; empty of a target that nobody knows yet.
    pub target_name: String,
    pub location: String,
    pub open: bool,
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// Null while it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, example = "recovered")]
    pub ended_by: Option<Ending>,
    /// Why the last probe failed, for programs and for people.
    #[schema(value_type = String, example = "timeout")]
    pub reason: Reason,
    pub error: String,
}

/// Incidents of which something is new.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentsTold {
    pub items: Vec<IncidentNews>,
}

/// The list of targets changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListChange {
    /// Differs from any before.
    pub revision: String,
}

/// A result of the target that a reader watches.
#[derive(Debug, Serialize, ToSchema)]
pub struct Packet {
    target_id: Uuid,
    #[serde(flatten)]
    measured: Measured,
}

/// How many enabled targets have which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    pub up: usize,
    pub down: usize,
    pub unknown: usize,
    /// Without any result yet.
    pub pending: usize,
}

impl Beat {
    pub fn of(result: &ProbeResult) -> Self {
        let latency = result.observation.measurement.latency;
        Self {
            target: result.target,
            ts: result.slot,
            outcome: result.outcome(),
            latency_us: latency.map(|latency| latency.as_micros() as u64),
            impaired: result.slow || result.lossy(),
        }
    }
}

impl IncidentNews {
    pub fn of(incident: &Incident, location: &str) -> Self {
        Self {
            target_id: incident.target.0,
            target_name: String::new(),
            location: location.to_owned(),
            open: incident.is_open(),
            began_at: incident.began,
            ended_at: incident.ended.map(|ended| ended.at),
            ended_by: incident.ended.map(|ended| ended.by),
            reason: incident.last.reason,
            error: incident.last.error.as_str().to_owned(),
        }
    }

    pub fn of_stored(stored: &StoredIncident) -> Self {
        Self {
            target_name: stored.target_name.clone(),
            ..Self::of(&stored.incident, &stored.location)
        }
    }
}

/// Leaves the newest of each target, in their order.
pub fn newest(beats: &mut Vec<Beat>) {
    let mut last: TargetMap<Timestamp> = TargetMap::default();
    for beat in &*beats {
        let ts = last.entry(beat.target).or_insert(beat.ts);
        *ts = beat.ts.max(*ts);
    }
    beats.retain(|beat| {
        // an instant that is there twice counts once
        let is_newest = last.get(&beat.target) == Some(&beat.ts);
        if is_newest {
            last.remove(&beat.target);
        }
        is_newest
    });
}

/// `{"newest_only":false,"beats":[["<target id>",<ts in µs since 1970>,"up",<latency_us or null>],…]}`; a fifth element, `1`, marks
/// an answer that was slow or lossy.
pub fn beats(mut beats: Vec<Beat>) -> String {
    let newest_only = beats.len() > PLENTY;
    if newest_only {
        newest(&mut beats);
    }
    // written by hand: ten thousand of them take 3 ms here, twice that by way of values
    let mut text = String::with_capacity(beats.len() * 80 + 40);
    let done = (|| {
        write!(text, r#"{{"newest_only":{newest_only},"beats":["#)?;
        for (at, beat) in beats.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let (target, ts) = (beat.target, beat.ts.as_micros());
            write!(
                text,
                r#"{comma}["{target}",{ts},"{}","#,
                beat.outcome.as_str()
            )?;
            match beat.latency_us {
                Some(latency) => write!(text, "{latency}")?,
                None => text.push_str("null"),
            }
            text.push_str(if beat.impaired { ",1]" } else { "]" });
        }
        text.push_str("]}");
        std::fmt::Result::Ok(())
    })();
    done.expect("writing to a string cannot fail");
    text
}

pub fn incidents(items: Vec<IncidentNews>) -> String {
    json(&IncidentsTold { items })
}

pub fn list_change(revision: String) -> String {
    json(&ListChange { revision })
}

pub fn counts(counts: &Counts) -> String {
    json(counts)
}

/// One result with all that was measured, as a whole message. It has no id: what comes again after a break is in the results.
pub fn packet(result: &ProbeResult, location: &Arc<str>) -> Bytes {
    let stored = StoredResult {
        id: 0,
        target_name: Arc::default(),
        location: Arc::clone(location),
        result: result.clone(),
    };
    let data = json(&Packet {
        target_id: result.target.0,
        measured: stored.into(),
    });
    format!("event: packet\ndata: {data}\n\n").into()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(target: u128, ts: i64) -> Beat {
        Beat {
            target: TargetId(Uuid::from_u128(target)),
            ts: Timestamp::from_micros(ts),
            outcome: Outcome::Up,
            latency_us: Some(812),
            impaired: false,
        }
    }

    #[test]
    fn beats_are_compact_arrays() {
        let down = Beat {
            outcome: Outcome::Down,
            latency_us: None,
            ..beat(1, 5)
        };
        let slow = Beat {
            impaired: true,
            ..beat(2, 6)
        };
        assert_eq!(
            beats(vec![down, slow]),
            r#"{"newest_only":false,"beats":[["00000000-0000-0000-0000-000000000001",5,"down",null],["00000000-0000-0000-0000-000000000002",6,"up",812,1]]}"#
        );
    }

    #[test]
    fn of_too_many_beats_the_newest_of_each_target_are_told() {
        let many: Vec<_> = (0..2 * PLENTY as i64)
            .map(|ts| beat(u128::from(ts % 2 == 0), ts))
            .collect();
        let told: serde_json::Value = serde_json::from_str(&beats(many)).unwrap();
        assert_eq!(told["newest_only"], true);
        let told: Vec<_> = told["beats"]
            .as_array()
            .unwrap()
            .iter()
            .map(|beat| beat[1].as_i64().unwrap())
            .collect();
        assert_eq!(told, [1998, 1999]);
    }
}
