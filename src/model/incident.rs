//! An incident: a span in which a target is down, as seen from one location.
//!
//! Values only. What makes one of results is the room `incident`; its rule, which a target carries, is here because targets are.

use serde::{Deserialize, Serialize};

use super::{ErrorText, Failure, Reason, TargetId, Timestamp};

/// How many results in a row it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentRule {
    /// `down` results that open an incident; 1 to 100.
    pub fail_after: u8,
    /// `up` results that resolve it; 1 to 100.
    pub recover_after: u8,
}

impl Default for IncidentRule {
    /// One lost packet is no incident, and one answer no recovery.
    fn default() -> Self {
        Self {
            fail_after: 2,
            recover_after: 2,
        }
    }
}

/// A span in which a target is down. `(target, began)` is its identity at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub target: TargetId,
    /// The slot of the first failure.
    pub began: Timestamp,
    /// The slot of the failure that made it an incident.
    pub opened: Timestamp,
    /// The slot of the last failure.
    pub last_failed: Timestamp,
    /// Nothing while it goes on.
    pub ended: Option<Ended>,
    pub first: Failure,
    pub last: Failure,
    /// `down` results from the first to the last.
    pub failed: u64,
    pub changes: Changes,
}

/// When and how an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The slot of the first result of those that resolved it; for another ending the instant of it.
    pub at: Timestamp,
    pub by: Ending,
}

/// How an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The target was up again.
    Recovered,
    /// The target left the file, or was disabled.
    Removed,
    /// A later one of the same target and location was stored while this one was open: its end is not known, and is where the
    /// later one begins.
    Superseded,
}

/// How the reason changed while an incident went on: the newest [`Changes::MOST`] times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Older ones that made room.
    pub omitted: u64,
    pub kept: Vec<ReasonChange>,
}

/// Since this slot the target fails for another reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonChange {
    #[serde(rename = "ts")]
    pub at: Timestamp,
    pub from: Reason,
    pub to: Reason,
    pub error: ErrorText,
}

/// An incident as storage gives it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredIncident {
    /// Increases; fits in 53 bits.
    pub id: i64,
    pub target_name: String,
    pub location: String,
    pub incident: Incident,
}

impl Ending {
    pub const ALL: [Self; 3] = [Self::Recovered, Self::Removed, Self::Superseded];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Removed => "removed",
            Self::Superseded => "superseded",
        }
    }
}

impl Changes {
    /// Each may hold an error of 256 bytes, and 10,000 targets may go on for other reasons all the time: 60 MB at the worst.
    pub const MOST: usize = 24;

    fn push(&mut self, change: ReasonChange) {
        if self.kept.len() >= Self::MOST {
            self.kept.remove(0);
            self.omitted += 1;
        }
        self.kept.push(change);
    }
}

impl Incident {
    /// What may become one: a first failure.
    pub fn begin(target: TargetId, slot: Timestamp, failure: &Failure) -> Self {
        Self {
            target,
            began: slot,
            opened: slot,
            last_failed: slot,
            ended: None,
            first: failure.clone(),
            last: failure.clone(),
            failed: 1,
            changes: Changes::default(),
        }
    }

    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// One more failure. Says whether its reason is another than that of the last one.
    pub fn fail(&mut self, slot: Timestamp, failure: &Failure) -> bool {
        self.failed += 1;
        self.last_failed = slot;
        let changed = self.last.reason != failure.reason;
        if changed {
            self.changes.push(ReasonChange {
                at: slot,
                from: self.last.reason,
                to: failure.reason,
                error: failure.error.clone(),
            });
        }
        if self.last != *failure {
            self.last = failure.clone();
        }
        changed
    }

    /// Never before it began, whatever the clock did since.
    pub fn end(&mut self, at: Timestamp, by: Ending) {
        let at = at.max(self.began);
        self.ended = Some(Ended { at, by });
    }

    /// `later` turns out to be the same one going on: nobody knew of this one when it began.
    pub fn absorb(&mut self, later: Self) {
        if self.last.reason != later.first.reason {
            self.changes.push(ReasonChange {
                at: later.began,
                from: self.last.reason,
                to: later.first.reason,
                error: later.first.error,
            });
        }
        self.changes.omitted += later.changes.omitted;
        for change in later.changes.kept {
            self.changes.push(change);
        }
        // two processes at one location may have seen the same ones
        self.failed = if later.began > self.last_failed {
            self.failed + later.failed
        } else {
            self.failed.max(later.failed)
        };
        self.last = later.last;
        self.last_failed = later.last_failed;
        self.ended = later.ended;
    }
}
