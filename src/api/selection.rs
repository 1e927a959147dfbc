//! Which targets a list shows, in which order, and where its pages end.
//!
//! Pure but for the snapshot that it looks at. Pages are ordered by what is asked for, then by name, then by id: by name every
//! target is on one page; by outcome, latency or age a target that changes its place between two pages may be on both or on none.

use uuid::Uuid;

use super::cursor::{List, Position, Scope};
use super::error::ApiError;
use super::query::Parameters;
use super::snapshot::{Listing, Snapshot};
use crate::model::{Kind, Outcome, ProbeResult};
use crate::storage::{Existing, Status};

/// What `outcome` takes.
pub const OUTCOMES: [&str; 4] = ["up", "down", "unknown", "none"];
/// What `sort` takes, each also after a `-`.
pub const FIELDS: [&str; 6] = ["name", "group", "type", "outcome", "latency", "since"];

/// What a target had to be like; nothing where all are taken.
#[derive(Debug)]
pub struct Selection {
    status: Status,
    /// In lower case.
    part: Option<String>,
    group: Option<String>,
    tags: Vec<String>,
    kind: Option<Kind>,
    outcome: Option<Wanted>,
    sort: Sort,
}

/// What the newest result has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Outcome(Outcome),
    NoResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sort {
    field: Field,
    is_reversed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Group,
    Type,
    Outcome,
    Latency,
    Since,
}

/// The targets of a page, and where it ended if there are more.
#[derive(Debug)]
pub struct Page<'a> {
    pub targets: Vec<&'a Existing>,
    pub next: Option<Position>,
}

/// By what a target is ordered: a number, a text, its id.
type Place = (i64, String, Uuid);

impl Selection {
    pub fn of(parameters: &Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            status: parameters.status()?,
            part: parameters
                .text("q")
                .filter(|part| !part.is_empty())
                .map(str::to_lowercase),
            group: parameters.text("group").map(str::to_owned),
            tags: parameters.all("tag").map(str::to_owned).collect(),
            kind: parameters.text("type").map(kind).transpose()?,
            outcome: parameters.text("outcome").map(outcome).transpose()?,
            sort: parameters.text("sort").map_or(Ok(Sort::NAME), sort)?,
        })
    }

    /// Whether it is what nobody asked anything of.
    pub fn is_plain(&self) -> bool {
        self.status == Status::Enabled
            && self.sort == Sort::NAME
            && self.part.is_none()
            && self.group.is_none()
            && self.tags.is_empty()
            && self.kind.is_none()
            && self.outcome.is_none()
    }

    /// Whether the newest results are needed to tell.
    pub fn needs_results(&self) -> bool {
        let by_result = matches!(
            self.sort.field,
            Field::Outcome | Field::Latency | Field::Since
        );
        self.outcome.is_some() || by_result
    }

    /// What its cursors belong to.
    pub fn scope(&self) -> Scope {
        let mut tags = self.tags.clone();
        tags.sort();
        let scope = Scope::new(List::Targets)
            .filtered("status", Some(format!("{:?}", self.status)))
            .filtered("q", self.part.as_ref())
            .filtered("group", self.group.as_ref())
            .filtered("type", self.kind.map(Kind::as_str))
            .filtered("outcome", self.outcome.map(|it| format!("{it:?}")))
            .filtered("sort", Some(format!("{:?}", self.sort)));
        tags.into_iter()
            .fold(scope, |scope, tag| scope.filtered("tag", Some(tag)))
    }

    /// The targets that it takes: all of them, or a page of `limit`.
    pub fn page<'a>(
        &'a self,
        listing: &'a Listing,
        snapshot: Option<&Snapshot>,
        limit: Option<usize>,
        after: Option<Position>,
    ) -> Page<'a> {
        let found = listing
            .targets_with(self.status, self.part.as_deref())
            .filter(|target| self.takes(target, snapshot));
        if limit.is_none() && self.sort == Sort::NAME {
            // as the database lists them: past targets of one name in the order in which they went
            return Page {
                targets: found.collect(),
                next: None,
            };
        }
        let after = match after {
            Some(Position::Place { rank, name, id }) => Some((rank, name, id)),
            Some(Position::Instant { .. }) | None => None,
        };
        let mut placed: Vec<(Place, &Existing)> = found
            .map(|target| (self.place(target, snapshot), target))
            .filter(|(place, _)| {
                let after = after.as_ref();
                after.is_none_or(|after| self.sort.compare(place, after).is_gt())
            })
            .collect();
        placed.sort_by(|(a, _), (b, _)| self.sort.compare(a, b));
        let more = limit.is_some_and(|limit| placed.len() > limit);
        placed.truncate(limit.unwrap_or(usize::MAX));
        let last = placed.last().filter(|_| more);
        let next = last.map(|((rank, name, id), _)| Position::Place {
            rank: *rank,
            name: name.clone(),
            id: *id,
        });
        Page {
            targets: placed.into_iter().map(|(_, target)| target).collect(),
            next,
        }
    }

    fn takes(&self, target: &Existing, snapshot: Option<&Snapshot>) -> bool {
        let spec = &target.spec;
        let group = spec.group.as_deref().unwrap_or_default();
        // what keeps the texts apart is part of none of them
        let part = self.part.as_deref();
        part.is_none_or(|part| !part.contains(BETWEEN))
            && self.group.as_deref().is_none_or(|wanted| wanted == group)
            && self.tags.iter().all(|tag| spec.tags.contains(tag))
            && self.kind.is_none_or(|kind| spec.probe.kind() == kind)
            && self.outcome.is_none_or(|wanted| {
                let outcome = newest(target, snapshot).map(ProbeResult::outcome);
                outcome.map_or(Wanted::NoResult, Wanted::Outcome) == wanted
            })
    }

    fn place(&self, target: &Existing, snapshot: Option<&Snapshot>) -> Place {
        let result = newest(target, snapshot);
        let latest = snapshot.and_then(|snapshot| snapshot.latest_of(target.id));
        // what has no value comes last, whichever way round
        let number = |value: Option<i64>| match value {
            Some(value) if self.sort.is_reversed => -value,
            Some(value) => value,
            None => i64::MAX,
        };
        let name = target.spec.name.clone();
        let (rank, text) = match self.sort.field {
            Field::Name => (0, name),
            Field::Group => match &target.spec.group {
                Some(group) => (0, format!("{group}{BETWEEN}{name}")),
                None => (1, name),
            },
            Field::Type => (number(Some(target.spec.probe.kind() as i64)), name),
            Field::Outcome => {
                let rank = result.map(|result| match result.outcome() {
                    Outcome::Down => 0,
                    Outcome::Unknown => 1,
                    Outcome::Up => 2,
                });
                (number(rank), name)
            }
            Field::Latency => {
                let latency = result.and_then(|it| it.observation.measurement.latency);
                (number(latency.map(|it| it.as_micros() as i64)), name)
            }
            Field::Since => (number(latest.map(|latest| latest.since.as_micros())), name),
        };
        (rank, text, target.id.0)
    }
}

impl Sort {
    const NAME: Self = Self {
        field: Field::Name,
        is_reversed: false,
    };

    fn compare(self, a: &Place, b: &Place) -> std::cmp::Ordering {
        let is_text = matches!(self.field, Field::Name | Field::Group);
        let texts = if is_text && self.is_reversed {
            b.1.cmp(&a.1)
        } else {
            a.1.cmp(&b.1)
        };
        a.0.cmp(&b.0).then(texts).then(a.2.cmp(&b.2))
    }
}

/// Between the texts of a target: a character that none of them has, and before all others where they are ordered.
const BETWEEN: char = '\0';

/// What `q` looks at, in lower case.
pub fn words(target: &Existing) -> String {
    let spec = &target.spec;
    let url = spec.probe.url();
    let texts = [
        Some(spec.name.as_str()),
        spec.probe.host(),
        url.as_deref(),
        spec.description.as_deref(),
        spec.group.as_deref(),
    ];
    let texts = texts.into_iter().flatten();
    let texts: Vec<_> = texts.chain(spec.tags.iter().map(String::as_str)).collect();
    texts.join("\0").to_lowercase()
}

fn newest<'a>(target: &Existing, snapshot: Option<&'a Snapshot>) -> Option<&'a ProbeResult> {
    let latest = snapshot?.latest_of(target.id)?;
    Some(&latest.stored.result)
}

fn kind(text: &str) -> Result<Kind, ApiError> {
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| {
        ApiError::bad_request(
            "invalid_type",
            "invalid type, expected icmp, http, tcp, dns or tls",
        )
    })
}

fn outcome(text: &str) -> Result<Wanted, ApiError> {
    match text {
        "up" => Ok(Wanted::Outcome(Outcome::Up)),
        "down" => Ok(Wanted::Outcome(Outcome::Down)),
        "unknown" => Ok(Wanted::Outcome(Outcome::Unknown)),
        "none" => Ok(Wanted::NoResult),
        _ => Err(ApiError::bad_request(
            "invalid_outcome",
            "invalid outcome, expected up, down, unknown or none",
        )),
    }
}

fn sort(text: &str) -> Result<Sort, ApiError> {
    let (name, is_reversed) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let field = match name {
        "name" => Field::Name,
        "group" => Field::Group,
        "type" => Field::Type,
        "outcome" => Field::Outcome,
        "latency" => Field::Latency,
        "since" => Field::Since,
        _ => {
            return Err(ApiError::bad_request(
                "invalid_sort",
                "invalid sort, expected name, group, type, outcome, latency or since, or one of them after a -",
            ));
        }
    };
    Ok(Sort { field, is_reversed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_description_are_those_that_are_taken() {
        let (mut outcomes, mut sorts) = (Vec::new(), Vec::new());
        for word in OUTCOMES {
            outcomes.push(outcome(word).ok());
        }
        for word in FIELDS {
            sorts.push(sort(word).ok());
            sorts.push(sort(&format!("-{word}")).ok());
        }
        for (index, found) in outcomes.iter().enumerate() {
            assert!(found.is_some() && !outcomes[..index].contains(found));
        }
        for (index, found) in sorts.iter().enumerate() {
            assert!(found.is_some() && !sorts[..index].contains(found));
        }
        for wrong in ["", "-", "UP", "--name", "name-", " name"] {
            assert!(outcome(wrong).is_err() && sort(wrong).is_err(), "{wrong}");
        }
    }
}
