//! The figures of all targets over windows that end now. Where reading them is dear they are shared for a moment
//! ([`Fresh::by_cost`]): at ten thousand results a second a quarter of an hour is millions of rows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fresh::Fresh;
use super::snapshot::Snapshots;
use super::summary::SummaryItem;
use crate::clock::Clock;
use crate::model::{Timestamp, Window};
use crate::storage::history::{self, History};
use crate::storage::{Status, StoreError};

/// Windows that are kept: the one that was asked for longest ago goes first.
const WINDOWS: usize = 4;

/// The figures of a window.
#[derive(Debug)]
pub struct Figures {
    /// Where it begins.
    pub since: Timestamp,
    /// Of the enabled targets, by name.
    pub items: Vec<SummaryItem>,
}

/// What one process keeps of them.
#[derive(Debug)]
pub struct Tally {
    history: Arc<History>,
    snapshots: Arc<Snapshots>,
    clock: Clock,
    /// By length; the one that was asked for last at the end.
    windows: Mutex<Vec<(Duration, Arc<Fresh<Figures>>)>>,
}

impl Tally {
    pub fn new(history: Arc<History>, snapshots: Arc<Snapshots>, clock: Clock) -> Self {
        Self {
            history,
            snapshots,
            clock,
            windows: Mutex::default(),
        }
    }

    /// The figures of a window that ends now, or ended when they were read.
    pub async fn of(&self, window: &Window) -> Result<Arc<Figures>, StoreError> {
        let length = window.length();
        let (history, snapshots) = (Arc::clone(&self.history), Arc::clone(&self.snapshots));
        let clock = self.clock;
        let read = move |_| async move {
            let now = clock.now();
            let since = history::beginning(now, length);
            // before the results are counted: none may be newer than those
            let snapshot = snapshots.current().await?;
            let mut summaries = history.summaries(None, since, now).await?;
            let targets = snapshot.listing.targets(Status::Enabled);
            let items = targets.map(|target| {
                let summary = summaries.remove(&target.id).unwrap_or_default();
                let latest = snapshot.latest_of(target.id);
                SummaryItem::new(target, latest, &summary, (since, now))
            });
            Ok(Figures {
                since,
                items: items.collect(),
            })
        };
        self.place(length).value(read).await
    }

    fn place(&self, length: Duration) -> Arc<Fresh<Figures>> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let known = windows.iter().position(|(known, _)| *known == length);
        let place = match known {
            Some(at) => windows.remove(at).1,
            None => Arc::new(Fresh::by_cost()),
        };
        if windows.len() >= WINDOWS {
            windows.remove(0);
        }
        windows.push((length, Arc::clone(&place)));
        place
    }
}
