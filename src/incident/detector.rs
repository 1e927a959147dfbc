//! Results in, changes out: the state of every target that is watched.
//!
//! A target that is up costs a look into a map and no allocation. Results of a target come in the order of their slots; one that is
//! older than the last, because it was replayed or because a clock was set back, changes nothing.

use std::borrow::Cow;

use super::{Change, What};
use crate::model::{
    Ending, Incident, IncidentRule, ProbeResult, TargetId, TargetMap, Timestamp, Verdict,
};

/// What is known of every target that is watched.
#[derive(Debug, Default)]
pub struct Detector {
    targets: TargetMap<State>,
    open: usize,
}

/// 40 bytes a target.
#[derive(Debug)]
struct State {
    /// The slot of the last result that was looked at.
    looked: Timestamp,
    /// The first of the present run of `up` results.
    up_since: Timestamp,
    /// How many they are, as far as that matters.
    ups: u8,
    rule: IncidentRule,
    is_open: bool,
    /// Of a run of failures that is not an incident yet, too.
    incident: Option<Box<Incident>>,
}

impl State {
    fn new(rule: IncidentRule) -> Self {
        Self {
            looked: Timestamp::MIN,
            up_since: Timestamp::MIN,
            ups: 0,
            rule,
            is_open: false,
            incident: None,
        }
    }
}

impl Detector {
    /// From now on these are the targets. Incidents of all others end at `now`, and what else was known of them is forgotten.
    pub fn watch(
        &mut self,
        targets: impl Iterator<Item = (TargetId, IncidentRule)>,
        now: Timestamp,
    ) -> Vec<Incident> {
        let mut before = std::mem::take(&mut self.targets);
        for (target, rule) in targets {
            let mut state = before.remove(&target).unwrap_or_else(|| State::new(rule));
            state.rule = rule;
            self.targets.insert(target, state);
        }
        let gone = before.into_values().filter(|state| state.is_open);
        let mut ended: Vec<_> = gone.filter_map(|state| state.incident).collect();
        for incident in &mut ended {
            incident.end(now, Ending::Removed);
        }
        self.open -= ended.len();
        ended.into_iter().map(|incident| *incident).collect()
    }

    /// Looks at a result. Those of targets that are not watched any more change nothing.
    pub fn see(&mut self, rule: IncidentRule, result: &ProbeResult) -> Option<Change<'_>> {
        let state = self.targets.get_mut(&result.target)?;
        if result.slot <= state.looked {
            return None;
        }
        state.looked = result.slot;
        state.rule = rule;
        match &result.observation.verdict {
            Verdict::Unknown(_) => None,
            Verdict::Up => {
                if state.ups == 0 {
                    state.up_since = result.slot;
                }
                state.ups = state.ups.saturating_add(1);
                if !state.is_open {
                    // a run of failures too short to count
                    state.incident = None;
                    return None;
                }
                if state.ups < rule.recover_after {
                    return None;
                }
                let incident = recovered(state)?;
                self.open -= 1;
                Some(ended(incident))
            }
            Verdict::Down(failure) => {
                state.ups = 0;
                let (incident, changed) = match &mut state.incident {
                    Some(incident) => {
                        let changed = incident.fail(result.slot, failure);
                        (incident, changed)
                    }
                    none => {
                        let begun = Incident::begin(result.target, result.slot, failure);
                        (none.insert(Box::new(begun)), false)
                    }
                };
                let what = match (state.is_open, changed) {
                    (true, true) => What::Changed,
                    (true, false) => What::Failed,
                    (false, _) if incident.failed >= u64::from(rule.fail_after) => {
                        incident.opened = result.slot;
                        state.is_open = true;
                        self.open += 1;
                        What::Opened
                    }
                    (false, _) => return None,
                };
                Some(Change {
                    what,
                    incident: Cow::Borrowed(incident),
                })
            }
        }
    }

    /// Takes over an incident that an earlier process left open. What was seen of its target since belongs to it: failures go on in
    /// it, and answers may have ended it already. A clock may have been set back since it was seen last: nothing waits for `now`.
    pub fn adopt(&mut self, mut known: Incident, now: Timestamp) -> Change<'_> {
        let state = self
            .targets
            .entry(known.target)
            .or_insert_with(|| State::new(IncidentRule::default()));
        let was_open = state.is_open;
        let last_look = known.last_failed.min(now);
        state.looked = state.looked.max(last_look);
        if state.up_since <= last_look {
            state.ups = 0;
        }
        if let Some(later) = state.incident.take() {
            known.absorb(*later);
        }
        if state.ups >= state.rule.recover_after {
            self.open -= usize::from(was_open);
            known.end(state.up_since, Ending::Recovered);
            state.is_open = false;
            return ended(known);
        }
        self.open += usize::from(!was_open);
        state.is_open = true;
        Change {
            what: if was_open {
                What::Changed
            } else {
                What::Continued
            },
            incident: Cow::Borrowed(state.incident.insert(Box::new(known))),
        }
    }

    /// The incident of a target that goes on.
    pub fn open(&self, target: TargetId) -> Option<&Incident> {
        let state = self.targets.get(&target)?;
        state.incident.as_deref().filter(|_| state.is_open)
    }

    /// How many go on.
    pub const fn open_count(&self) -> usize {
        self.open
    }
}

fn ended(incident: Incident) -> Change<'static> {
    Change {
        what: What::Ended,
        incident: Cow::Owned(incident),
    }
}

/// The incident that the present run of answers resolves.
fn recovered(state: &mut State) -> Option<Incident> {
    let mut incident = state.incident.take()?;
    state.is_open = false;
    incident.end(state.up_since, Ending::Recovered);
    Some(*incident)
}

#[cfg(test)]
mod tests;
