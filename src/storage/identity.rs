//! Which id each target has, in a file beside the spool: with it a start without its database probes at once.
//!
//! A copy, written after each sync, and read only while the database is away at the start: as soon as it answers, it alone decides.
//! A file that is missing, unreadable or of another database counts as none; then targets wait for the database. Holds names and
//! ids, no secret.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::{Known, recognise};
use crate::model::{Declared, Target, TargetId};

/// Where the copy is, and of which database.
#[derive(Debug, Clone)]
pub struct Identities {
    path: PathBuf,
    database: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Copy {
    database: String,
    targets: Vec<Identity>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    id: TargetId,
    slug: Option<String>,
    name: String,
}

impl Identities {
    /// `database` tells one database from another, without its password.
    pub fn beside(spool: &Path, database: String) -> Self {
        Self {
            path: spool.with_extension("targets.json"),
            database,
        }
    }

    /// Keeps the ids of `targets`, which are those of the file `declared` that was synced last. Blocks. A failure is told: it costs
    /// nothing until the next start without a database.
    pub fn keep(&self, declared: &[Declared], targets: &[Target]) {
        if let Err(error) = self.write(declared, targets) {
            tracing::warn!(path = %self.path.display(), %error, "the ids of the targets cannot be kept; a start without the database would have to wait for it");
        }
    }

    fn write(&self, declared: &[Declared], targets: &[Target]) -> io::Result<()> {
        let slugs: std::collections::HashMap<_, _> = declared
            .iter()
            .map(|it| (it.spec.name.as_str(), it.id.clone()))
            .collect();
        let targets = targets.iter().map(|target| Identity {
            id: target.id,
            slug: slugs.get(target.spec.name.as_str()).cloned().flatten(),
            name: target.spec.name.clone(),
        });
        let copy = Copy {
            database: self.database.clone(),
            targets: targets.collect(),
        };
        // whole or not at all: a kill must not leave half of it
        let new = self.path.with_extension("json.new");
        fs::write(&new, serde_json::to_vec(&copy)?)?;
        fs::rename(new, &self.path)
    }

    /// The enabled targets of a file whose ids are known. Blocks.
    pub fn recall(&self, declared: &[Declared]) -> Vec<Target> {
        let copy = fs::read(&self.path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Copy>(&bytes).ok())
            .filter(|copy| copy.database == self.database);
        let Some(copy) = copy else {
            return Vec::new();
        };
        let known: Vec<_> = copy
            .targets
            .iter()
            .map(|it| Known {
                id: it.id,
                slug: it.slug.as_deref(),
                name: &it.name,
                present: true,
            })
            .collect();
        // a file that contradicts itself is told when it is synced
        let matches = recognise(declared, &known).unwrap_or_default();
        declared
            .iter()
            .zip(matches)
            .filter(|(declared, _)| declared.spec.enabled)
            .filter_map(|(declared, index)| {
                let id = known.get(index?)?.id;
                let spec = declared.spec.clone();
                Some(Target { id, spec })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::model::{IcmpSpec, IncidentRule, ProbeSpec, TargetSpec};

    fn declared(id: Option<&str>, name: &str) -> Declared {
        Declared {
            id: id.map(str::to_owned),
            spec: TargetSpec {
                name: name.to_owned(),
                enabled: name != "resting",
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                slow_after: Duration::from_millis(800),
                incident: IncidentRule::default(),
                group: None,
                tags: Vec::new(),
                description: None,
                probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1")),
            },
        }
    }

    fn ids(targets: &[Target]) -> Vec<TargetId> {
        targets.iter().map(|target| target.id).collect()
    }

    #[test]
    fn a_renamed_target_is_known_by_its_slug_and_a_new_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("pingu.spool.db");
        let identities = Identities::beside(&spool, "here".to_owned());
        let file = [declared(None, "a"), declared(Some("bee"), "b")];
        assert_eq!(identities.recall(&file), []);
        let targets: Vec<_> = file
            .iter()
            .map(|it| Target {
                id: TargetId(Uuid::new_v4()),
                spec: it.spec.clone(),
            })
            .collect();
        identities.keep(&file, &targets);
        assert_eq!(identities.recall(&file), targets);

        let later = [
            declared(None, "new"),
            declared(Some("bee"), "renamed"),
            declared(None, "resting"),
        ];
        let recalled = identities.recall(&later);
        assert_eq!(ids(&recalled), [targets[1].id]);
        assert_eq!(recalled[0].spec.name, "renamed");

        let other = Identities::beside(&spool, "elsewhere".to_owned());
        assert_eq!(other.recall(&file), []);
        fs::write(folder.path().join("pingu.spool.targets.json"), "{").unwrap();
        assert_eq!(identities.recall(&file), []);
    }
}
