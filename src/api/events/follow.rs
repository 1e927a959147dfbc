//! Where another process probes: new results and what became of incidents are looked up in the database, once a second and only while
//! somebody listens.
//!
//! So a target that is probed more often than that shows its newest result of each second, and an incident is told when it is written
//! down: what opens and ends at once, another reason of one that goes on within 10 s.
//!
//! The first look tells nothing, since nothing is known to compare it with. Readers look at everything again after it: what happened
//! between what they had read and that look would be told by nobody.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::feed::Feed;
use super::message::IncidentNews;
use crate::model::{ProbeResult, Reason, StoredIncident, TargetMap, Timestamp};
use crate::storage::{IncidentQuery, Status, Store, StoreError};

const PACE: Duration = Duration::from_secs(1);
/// From one look at the list of targets to the next: it changes seldom.
const LIST_PACE: Duration = Duration::from_secs(10);
/// Of the incidents that began last so many are looked at whether they go on or not: some may have ended since the look before.
const NEWEST: usize = 100;
/// Ends of older ones that are looked up one by one; beyond that readers look at all of them again.
const ENDS: usize = 100;

/// Runs until the feed's `stop`.
pub async fn follow(feed: Arc<Feed>, store: Arc<dyn Store>) {
    let mut tick = interval(PACE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            () = feed.stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if !feed.is_attended() {
            seen = Seen::default();
            continue;
        }
        // while the database is away there is nothing to tell, and /readyz says so
        let _ = seen.look(&feed, store.as_ref()).await;
    }
}

/// What was told last; nothing before the first look.
#[derive(Debug, Default)]
struct Seen {
    results: Option<TargetMap<Timestamp>>,
    incidents: Option<HashMap<i64, Standing>>,
    list: Option<(Instant, u64)>,
}

/// What is told of an incident when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    goes_on: bool,
    reason: Reason,
}

impl Seen {
    async fn look(&mut self, feed: &Feed, store: &dyn Store) -> Result<(), StoreError> {
        let is_first = self.list.is_none();
        self.look_at_results(feed, store).await?;
        self.look_at_incidents(feed, store).await?;
        self.look_at_the_list(feed, store).await?;
        if is_first {
            feed.overflow();
        }
        Ok(())
    }

    async fn look_at_results(&mut self, feed: &Feed, store: &dyn Store) -> Result<(), StoreError> {
        let latest = store.latest_by_target().await?;
        let results = latest.into_iter().map(|latest| latest.stored.result);
        let results: Vec<ProbeResult> = results.collect();
        if let Some(seen) = &self.results {
            let fresh = results
                .iter()
                .filter(|result| seen.get(&result.target) != Some(&result.slot));
            if fresh.clone().next().is_some() {
                feed.results(fresh);
            }
        }
        let slots = results.iter().map(|result| (result.target, result.slot));
        self.results = Some(slots.collect());
        Ok(())
    }

    async fn look_at_incidents(
        &mut self,
        feed: &Feed,
        store: &dyn Store,
    ) -> Result<(), StoreError> {
        let newest = IncidentQuery {
            limit: NEWEST,
            ..IncidentQuery::default()
        };
        let open = store.open_incidents().await?;
        // read after those that go on: whatever began in between is among them, and its newer state counts
        let newest = store.incidents(&newest).await?;
        // where none of the newest is known, others may have come and gone behind them
        let all_new = |seen: &HashMap<_, _>| newest.iter().all(|it| !seen.contains_key(&it.id));
        let is_cut = newest.len() == NEWEST && self.incidents.as_ref().is_some_and(all_new);
        let found: BTreeMap<i64, StoredIncident> = open
            .into_iter()
            .chain(newest)
            .map(|it| (it.id, it))
            .collect();
        if let Some(seen) = &self.incidents {
            let is_news = |it: &&StoredIncident| seen.get(&it.id) != Some(&Standing::of(it));
            let news = found.values().filter(is_news);
            let mut news: Vec<_> = news.map(IncidentNews::of_stored).collect();
            let ended = seen
                .iter()
                .filter(|(id, standing)| standing.goes_on && !found.contains_key(id));
            if is_cut || ended.clone().count() > ENDS {
                feed.overflow();
            } else {
                for (id, _) in ended {
                    let ended = store.incident(*id).await?;
                    news.extend(ended.as_ref().map(IncidentNews::of_stored));
                }
            }
            if !news.is_empty() {
                feed.incidents(news);
            }
        }
        let standings = found.iter().map(|(id, it)| (*id, Standing::of(it)));
        self.incidents = Some(standings.collect());
        Ok(())
    }

    async fn look_at_the_list(&mut self, feed: &Feed, store: &dyn Store) -> Result<(), StoreError> {
        let now = Instant::now();
        if self.list.is_none_or(|(at, _)| now - at > LIST_PACE) {
            let mut hasher = DefaultHasher::new();
            for target in store.targets(Status::All).await? {
                target.id.hash(&mut hasher);
                format!("{:?}", target.spec).hash(&mut hasher);
            }
            let hash = hasher.finish();
            if self.list.is_some_and(|(_, before)| before != hash) {
                feed.revision().fetch_add(1, Ordering::Relaxed);
            }
            self.list = Some((now, hash));
        }
        Ok(())
    }
}

impl Standing {
    fn of(stored: &StoredIncident) -> Self {
        Self {
            goes_on: stored.incident.is_open(),
            reason: stored.incident.last.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::metrics::Metrics;
    use crate::model::{
        Declared, Ending, Failure, IcmpSpec, Incident, IncidentRule, ProbeSpec, TargetId,
        TargetSpec,
    };
    use crate::storage::IncidentStore;
    use crate::storage::sqlite::SqliteStore;

    fn over(target: TargetId, second: i64) -> Incident {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let failure = Failure::new(Reason::Timeout, "no reply");
        let mut incident = Incident::begin(target, at(second), &failure);
        incident.opened = at(second + 1);
        incident.end(at(second + 2), Ending::Recovered);
        incident
    }

    #[tokio::test]
    async fn readers_look_again_after_the_first_look_and_where_more_happened_than_one_look_finds() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("pingu.db"), "here").unwrap();
        let spec = TargetSpec {
            name: "a".to_owned(),
            enabled: true,
            interval: PACE,
            timeout: PACE,
            slow_after: PACE,
            incident: IncidentRule::default(),
            group: None,
            tags: Vec::new(),
            description: None,
            probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1".to_owned())),
        };
        let declared = Declared { id: None, spec };
        store
            .sync_targets(&[declared], Timestamp::from_micros(0))
            .await
            .unwrap();
        let target = store.targets(Status::All).await.unwrap()[0].id;
        let (feed, _inbox) = Feed::new("here", Metrics::new(), CancellationToken::new());
        let mut seen = Seen::default();
        for (incidents, overflows) in [
            (0..1, true),
            (1..1, false),
            (1..100, false),
            (100..199, false),
            (199..299, true),
            (299..300, false),
        ] {
            let written: Vec<_> = incidents.clone().map(|it| over(target, 10 * it)).collect();
            store.write_incidents(&written).await.unwrap();
            seen.look(&feed, &store).await.unwrap();
            assert_eq!(feed.has_overflowed(), overflows, "{incidents:?}");
        }
    }
}
