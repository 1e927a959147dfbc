//! Every target that a database knows, past ones too, and which of them a reference names without asking the database again.
//!
//! A roster says the same as `Store::target` would have when it was read. What it does not find may have come since, or be a past
//! name: that is for the database to say.

use std::collections::HashMap;

use uuid::Uuid;

use super::plan::Existing;
use crate::model::{TargetId, TargetMap};

/// What the targets were when they were read: any change of them gives another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub(super) count: i64,
    /// The microseconds of their last changes: the latest, and a sum that any change moves.
    pub(super) latest: i64,
    pub(super) sum: i64,
}

/// All targets at one moment.
#[derive(Debug)]
pub struct Roster {
    pub stamp: Stamp,
    /// Ordered by name.
    pub targets: Vec<Existing>,
    by_id: TargetMap<usize>,
    by_slug: HashMap<String, usize>,
    /// Of the targets that the file has.
    by_name: HashMap<String, usize>,
}

impl Roster {
    pub(super) fn new(stamp: Stamp, targets: Vec<Existing>) -> Self {
        let (mut by_id, mut by_slug, mut by_name) =
            (TargetMap::default(), HashMap::new(), HashMap::new());
        for (index, target) in targets.iter().enumerate() {
            by_id.insert(target.id, index);
            by_slug.extend(target.slug.clone().map(|slug| (slug, index)));
            if target.present {
                by_name.insert(target.spec.name.clone(), index);
            }
        }
        Self {
            stamp,
            targets,
            by_id,
            by_slug,
            by_name,
        }
    }

    pub fn target(&self, id: TargetId) -> Option<&Existing> {
        self.by_id.get(&id).map(|&index| &self.targets[index])
    }

    /// The place of the target with this id, the file's own id or, failing both, a name that the file uses.
    pub fn find(&self, reference: &str) -> Option<usize> {
        // a UUID may come in any spelling
        let id = Uuid::parse_str(reference).ok();
        let by_id = id.and_then(|id| self.by_id.get(&TargetId(id)));
        let found = by_id
            .or_else(|| self.by_slug.get(reference))
            .or_else(|| self.by_name.get(reference));
        found.copied()
    }
}
