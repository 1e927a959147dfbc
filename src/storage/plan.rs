//! What a new targets file changes in the database, worked out without one.
//!
//! Pure: (what is declared, what is stored) → changes. Both backends carry out the same plan, so they cannot disagree on identity.
//!
//! Matching: a declared `id` finds the target that has it as slug or as UUID; without one, or when no target has it, the name
//! finds a target that no other declaration claims by id. An id given to a target that had none thus keeps its history.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::StoreError;
use crate::model::{Declared, TargetId, TargetSpec, Timestamp};

/// A stored target, as far as matching needs it.
#[derive(Debug, Clone)]
pub struct Existing {
    pub id: TargetId,
    pub slug: Option<String>,
    /// False once the file no longer has it.
    pub present: bool,
    /// When a sync first brought it.
    pub created_at: Timestamp,
    pub spec: TargetSpec,
}

/// One thing that a sync does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Insert {
        id: TargetId,
        name: String,
    },
    /// `was` is the former name where it changed; `returned` tells that the file had lost it before.
    Update {
        id: TargetId,
        name: String,
        was: Option<String>,
        returned: bool,
    },
    /// The file no longer has it: disabled, its history stays.
    Remove {
        id: TargetId,
        name: String,
    },
}

/// Everything to write, in an order that never lets two targets have one name.
#[derive(Debug, Default)]
pub struct SyncPlan<'a> {
    pub removals: Vec<TargetId>,
    pub updates: Vec<(TargetId, &'a Declared)>,
    pub inserts: Vec<(TargetId, &'a Declared)>,
    pub changes: Vec<Change>,
}

impl<'a> SyncPlan<'a> {
    /// Fails where two declarations turn out to be one target: one names its UUID, the other its own id.
    pub fn new(declared: &'a [Declared], existing: &[Existing]) -> Result<Self, StoreError> {
        let known: Vec<_> = existing.iter().map(Existing::known).collect();
        let matches = recognise(declared, &known)?;
        let taken: HashSet<_> = matches.iter().flatten().collect();
        let mut plan = Self::default();
        for (slot, target) in matches.iter().zip(declared) {
            match slot {
                Some(index) => plan.update(&existing[*index], target),
                None => plan.insert(target),
            }
        }
        for (index, target) in existing.iter().enumerate() {
            if target.present && !taken.contains(&index) {
                plan.removals.push(target.id);
                plan.changes.push(Change::Remove {
                    id: target.id,
                    name: target.spec.name.clone(),
                });
            }
        }
        Ok(plan)
    }

    fn insert(&mut self, declared: &'a Declared) {
        let written = declared
            .id
            .as_deref()
            .and_then(|id| Uuid::parse_str(id).ok());
        let id = TargetId(written.unwrap_or_else(Uuid::new_v4));
        self.inserts.push((id, declared));
        self.changes.push(Change::Insert {
            id,
            name: declared.spec.name.clone(),
        });
    }

    fn update(&mut self, existing: &Existing, declared: &'a Declared) {
        let keeps_slug = declared.id.is_none() || declared.id == existing.slug;
        if existing.present && existing.spec == declared.spec && keeps_slug {
            return;
        }
        self.updates.push((existing.id, declared));
        self.changes.push(Change::Update {
            id: existing.id,
            name: declared.spec.name.clone(),
            was: (existing.spec.name != declared.spec.name).then(|| existing.spec.name.clone()),
            returned: !existing.present,
        });
    }
}

/// A target as far as recognising it needs.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub id: TargetId,
    pub slug: Option<&'a str>,
    pub name: &'a str,
    pub present: bool,
}

impl Existing {
    fn known(&self) -> Known<'_> {
        Known {
            id: self.id,
            slug: self.slug.as_deref(),
            name: &self.spec.name,
            present: self.present,
        }
    }
}

/// Which known target each declaration is, by its index; nothing for a new one. No two are the same.
pub fn recognise(
    declared: &[Declared],
    known: &[Known<'_>],
) -> Result<Vec<Option<usize>>, StoreError> {
    let by_id = Matcher::new(known);
    let mut taken = HashSet::new();
    let mut matches: Vec<Option<usize>> = vec![None; declared.len()];
    // ids first, so that a name never takes a target away from the declaration that names its id
    for (slot, target) in matches.iter_mut().zip(declared) {
        let found = target.id.as_deref().and_then(|id| by_id.by_slug(id));
        if let Some(index) = found {
            if !taken.insert(index) {
                return Err(StoreError::Conflict(format!(
                    "the id of target {:?} is that of another target in the file, which is stored as {:?}; give it an id of its own",
                    target.spec.name, known[index].name
                )));
            }
            *slot = found;
        }
    }
    for (slot, target) in matches.iter_mut().zip(declared) {
        if slot.is_none() {
            let found = by_id.by_name(&target.spec.name).filter(|&index| {
                // a known slug that differs says that it is another target of the same name
                target.id.is_none() || known[index].slug.is_none()
            });
            *slot = found.filter(|&index| taken.insert(index));
        }
    }
    Ok(matches)
}

/// Finds stored targets; where several share a past name, the last one given wins (backends list the oldest first).
struct Matcher<'a> {
    ids: HashMap<String, usize>,
    names: HashMap<&'a str, usize>,
}

impl<'a> Matcher<'a> {
    fn new(existing: &[Known<'a>]) -> Self {
        let mut ids = HashMap::new();
        let mut names = HashMap::new();
        for (index, target) in existing.iter().enumerate() {
            ids.insert(target.id.to_string(), index);
            if let Some(slug) = target.slug {
                ids.insert(slug.to_owned(), index);
            }
            let held = names.get(target.name).copied();
            if held.is_none_or(|held: usize| !existing[held].present) {
                names.insert(target.name, index);
            }
        }
        Self { ids, names }
    }

    fn by_slug(&self, id: &str) -> Option<usize> {
        let canonical = Uuid::parse_str(id).map(|uuid| uuid.to_string());
        self.ids
            .get(id)
            .or_else(|| canonical.ok().and_then(|id| self.ids.get(&id)))
            .copied()
    }

    fn by_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{IcmpSpec, IncidentRule, ProbeSpec};

    fn spec(name: &str) -> TargetSpec {
        TargetSpec {
            name: name.to_owned(),
            enabled: true,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            slow_after: Duration::from_millis(800),
            incident: IncidentRule::default(),
            group: None,
            tags: Vec::new(),
            description: None,
            probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1".to_owned())),
        }
    }

    fn declared(name: &str, id: Option<&str>) -> Declared {
        Declared {
            id: id.map(str::to_owned),
            spec: spec(name),
        }
    }

    fn existing(number: u128, name: &str, slug: Option<&str>, present: bool) -> Existing {
        Existing {
            id: TargetId(Uuid::from_u128(number)),
            slug: slug.map(str::to_owned),
            present,
            created_at: Timestamp::from_micros(0),
            spec: spec(name),
        }
    }

    fn target(number: u128) -> TargetId {
        TargetId(Uuid::from_u128(number))
    }

    #[test]
    fn the_same_file_again_changes_nothing() {
        let stored = [
            existing(1, "a", None, true),
            existing(2, "b", Some("bee"), true),
        ];
        let file = [declared("a", None), declared("b", Some("bee"))];
        assert_eq!(SyncPlan::new(&file, &stored).unwrap().changes, []);
    }

    #[test]
    fn a_target_that_left_is_removed_and_its_return_brings_the_same_id_back() {
        let file = [];
        let plan = SyncPlan::new(&file, &[existing(1, "a", None, true)]).unwrap();
        assert_eq!(plan.removals, [target(1)]);
        let file = [declared("a", None)];
        let plan = SyncPlan::new(&file, &[existing(1, "a", None, false)]).unwrap();
        assert_eq!(plan.updates[0].0, target(1));
        assert!(plan.inserts.is_empty());
    }

    #[test]
    fn an_id_survives_a_rename_and_a_swap_of_names() {
        let stored = [
            existing(1, "a", Some("x"), true),
            existing(2, "b", Some("y"), true),
        ];
        let file = [declared("b", Some("x")), declared("a", Some("y"))];
        let plan = SyncPlan::new(&file, &stored).unwrap();
        let updates: Vec<_> = plan
            .updates
            .iter()
            .map(|(id, declared)| (*id, declared.spec.name.as_str()))
            .collect();
        assert_eq!(updates, [(target(1), "b"), (target(2), "a")]);
    }

    #[test]
    fn a_rename_without_an_id_is_a_new_target() {
        let file = [declared("new", None)];
        let plan = SyncPlan::new(&file, &[existing(1, "old", None, true)]).unwrap();
        assert_eq!(plan.removals, [target(1)]);
        assert_eq!(plan.inserts.len(), 1);
    }

    #[test]
    fn an_id_given_later_adopts_the_target_of_that_name() {
        let file = [declared("a", Some("slug"))];
        let plan = SyncPlan::new(&file, &[existing(1, "a", None, true)]).unwrap();
        assert_eq!(plan.updates[0].0, target(1));
    }

    #[test]
    fn another_id_under_the_same_name_is_another_target() {
        let file = [declared("a", Some("other"))];
        let plan = SyncPlan::new(&file, &[existing(1, "a", Some("slug"), true)]).unwrap();
        assert_eq!(plan.removals, [target(1)]);
        assert_eq!(plan.inserts.len(), 1);
    }

    #[test]
    fn a_uuid_in_the_file_becomes_the_id_and_finds_it_in_any_spelling() {
        let uuid = "FB4C6D37-C55D-44FA-9415-89528FA8290B";
        let file = [declared("a", Some(uuid))];
        let plan = SyncPlan::new(&file, &[]).unwrap();
        assert_eq!(plan.inserts[0].0.to_string(), uuid.to_lowercase());
        let mut stored = existing(0, "was", None, true);
        stored.id = plan.inserts[0].0;
        let plan = SyncPlan::new(&file, std::slice::from_ref(&stored)).unwrap();
        assert_eq!(plan.updates[0].0, stored.id);
    }

    #[test]
    fn two_declarations_of_one_target_are_refused() {
        let stored = [existing(7, "a", Some("slug"), true)];
        let uuid = Uuid::from_u128(7).to_string();
        let file = [declared("a", Some("slug")), declared("b", Some(&uuid))];
        let error = SyncPlan::new(&file, &stored).unwrap_err();
        assert!(error.to_string().contains(r#""b""#), "{error}");
    }

    #[test]
    fn a_present_target_wins_a_name_over_past_ones() {
        let stored = [existing(1, "a", None, true), existing(2, "a", None, false)];
        let file = [declared("a", None)];
        let plan = SyncPlan::new(&file, &stored).unwrap();
        assert_eq!(plan.changes, []);
    }
}
