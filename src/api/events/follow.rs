//! Where another process probes: new results are looked up in the database, once a second and only while somebody listens.
//!
//! So a target that is probed more often than that shows its newest result of each second.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::feed::Feed;
use crate::model::{ProbeResult, TargetMap, Timestamp};
use crate::storage::{Status, Store, StoreError};

const PACE: Duration = Duration::from_secs(1);
/// From one look at the list of targets to the next: it changes seldom.
const LIST_PACE: Duration = Duration::from_secs(10);

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
    list: Option<(Instant, u64)>,
}

impl Seen {
    async fn look(&mut self, feed: &Feed, store: &dyn Store) -> Result<(), StoreError> {
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
