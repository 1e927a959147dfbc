//! Incidents rest here: what may be asked of a database about them, and their rows.
//!
//! Who finds them is `crate::incident`; who writes them down is the [`clerk`]. They outlast the results that they were made of.

pub mod clerk;

use async_trait::async_trait;

use super::StoreError;
use super::row::unreadable;
use crate::model::{
    Ended, Ending, ErrorText, Failure, Incident, Reason, StoredIncident, TargetId, Timestamp,
};

/// The part of a [`Store`](super::Store) that is about incidents. The same promises hold.
#[async_trait]
pub trait IncidentStore {
    /// Writes the states of incidents at this process's location, in one transaction. `(target, location, began)` is the identity
    /// of each: written again it is brought up to date, and an end that is stored stays. Those of targets that the database does
    /// not know are left out. Older ones of the same target and location that go on are [`Ending::Superseded`].
    async fn write_incidents(&self, incidents: &[Incident]) -> Result<(), StoreError>;

    /// Those that go on, of every location, the newest first. Cheap: as many rows as there are.
    async fn open_incidents(&self) -> Result<Vec<StoredIncident>, StoreError>;

    /// Newest first: by beginning, then by id.
    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<StoredIncident>, StoreError>;

    async fn incident(&self, id: i64) -> Result<Option<StoredIncident>, StoreError>;

    /// Deletes some of those that ended before the floor of hour roll-ups. Gives how many; none when there are no more.
    async fn forget_incidents(&self) -> Result<u64, StoreError>;
}

/// Which incidents to read: those of which some moment lies in `since <= t < until`, the newest `limit` of them.
#[derive(Debug, Clone, Default)]
pub struct IncidentQuery {
    /// One target, or all.
    pub target: Option<TargetId>,
    /// Those that go on, those that have ended, or both.
    pub open: Option<bool>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only what comes after this one: beginning and id of the last of the page before.
    pub after: Option<(Timestamp, i64)>,
    pub limit: usize,
}

impl IncidentQuery {
    pub(super) fn position(&self) -> (Timestamp, i64) {
        self.after.unwrap_or((Timestamp::MAX, i64::MAX))
    }

    /// Of all that go on, those that are asked for: they are few, and to look for them among all others would take longer.
    pub(super) fn among(&self, open: Vec<StoredIncident>) -> Vec<StoredIncident> {
        let since = self.since.unwrap_or(Timestamp::MIN);
        let until = self.until.unwrap_or(Timestamp::MAX);
        let wanted = |it: &StoredIncident| {
            let incident = &it.incident;
            self.target.is_none_or(|target| incident.target == target)
                && incident.began < until
                && (incident.began, it.id) < self.position()
                && incident.ended.is_none_or(|ended| ended.at > since)
        };
        open.into_iter().filter(wanted).take(self.limit).collect()
    }
}

/// The columns of a stored incident.
#[derive(Debug)]
pub(super) struct IncidentColumns<'a> {
    pub id: i64,
    pub target: TargetId,
    pub target_name: &'a str,
    pub location: &'a str,
    pub began: Timestamp,
    pub opened: Timestamp,
    pub last_failed: Timestamp,
    pub ended: Option<Timestamp>,
    pub ended_by: Option<&'a str>,
    pub failed: i64,
    pub reason: &'a str,
    pub error: &'a str,
    pub last_reason: &'a str,
    pub last_error: &'a str,
    /// JSON.
    pub changes: &'a str,
}

impl IncidentColumns<'_> {
    pub fn stored(&self) -> Result<StoredIncident, StoreError> {
        let changes = serde_json::from_str(self.changes);
        Ok(StoredIncident {
            id: self.id,
            target_name: self.target_name.to_owned(),
            location: self.location.to_owned(),
            incident: Incident {
                target: self.target,
                began: self.began,
                opened: self.opened,
                last_failed: self.last_failed,
                ended: self.ended.map(|at| self.ended(at)).transpose()?,
                first: failure(self.reason, self.error)?,
                last: failure(self.last_reason, self.last_error)?,
                failed: self.failed.unsigned_abs(),
                changes: changes.map_err(|_| unreadable("list of changes", self.changes))?,
            },
        })
    }

    fn ended(&self, at: Timestamp) -> Result<Ended, StoreError> {
        let written = self.ended_by.unwrap_or_default();
        let by = Ending::ALL.into_iter().find(|it| it.as_str() == written);
        let by = by.ok_or_else(|| unreadable("ending", written))?;
        Ok(Ended { at, by })
    }
}

fn failure(reason: &str, error: &str) -> Result<Failure, StoreError> {
    let known = Reason::ALL.into_iter().find(|it| it.as_str() == reason);
    Ok(Failure {
        reason: known.ok_or_else(|| unreadable("reason", reason))?,
        error: ErrorText::new(error),
    })
}

pub(super) fn changes_json(incident: &Incident) -> String {
    serde_json::to_string(&incident.changes).expect("plain values always serialise")
}
