//! Gathers what is handed over and tells it, at most twice a second.
//!
//! Each message is written once for all readers. Of several kinds that have something to tell, the one goes first that was silent for
//! longest. All readers together take a bounded number of bytes a second: with many of them, and many results, beats come less often.
//! When the last reader has left, it goes on for a minute, so that one who comes back misses nothing; then it rests.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::feed::{Feed, Handed};
use super::message::{self, Beat, Counts, IncidentNews};
use crate::model::{Outcome, TargetId, TargetMap, Timestamp};
use crate::storage::{Status, Store, StoreError};

const PACE: Duration = Duration::from_millis(500);
/// How long results are gathered for readers who may come back.
const LINGER: Duration = Duration::from_secs(60);
/// What beats may send to all readers together in a second. On two busy cores that probed 10,000 targets a second, 1,000 readers with this
/// bound took 5 % of a core, and 99 % of the probes began within 10 ms of their slot, as without readers within 5 ms.
const BYTES_A_SECOND: f64 = 24e6;
/// Results that are gathered before only the newest of each target are kept.
const GATHERED: usize = 65_536;
/// Incidents that are gathered; beyond that readers look at all of them again.
const INCIDENTS: usize = 1000;
/// From one try to learn the outcomes of all targets to the next.
const RETRY: Duration = Duration::from_secs(2);

/// The task that writes messages.
#[derive(Debug)]
pub struct Teller {
    pub feed: Arc<Feed>,
    pub store: Arc<dyn Store>,
    pub inbox: mpsc::Receiver<Handed>,
}

/// What is to be told.
#[derive(Debug)]
struct News {
    beats: Vec<Beat>,
    /// Beyond so many beats only the newest of each target are kept.
    most: usize,
    beats_from: Instant,
    incidents: Vec<IncidentNews>,
    /// What readers missed cannot be told one by one.
    lost: bool,
    /// The revision of the list of targets that was told last.
    revision: u64,
    counts: Option<Counts>,
    /// When each kind was told last.
    told: [Option<Instant>; 4],
    standing: Standing,
}

const TARGETS: usize = 0;
const INCIDENT: usize = 1;
const OVERVIEW: usize = 2;
const BEATS: usize = 3;

/// How every enabled target was found last.
#[derive(Debug, Default)]
struct Standing {
    targets: Look,
    /// The revision of the list that it is of; nothing before the first look.
    revision: Option<u64>,
    looking: Option<(u64, JoinHandle<Result<Look, StoreError>>)>,
    next_look: Option<Instant>,
}

/// The enabled targets.
type Look = TargetMap<Found>;

#[derive(Debug)]
struct Found {
    name: String,
    /// Nothing before the first result.
    last: Option<(Timestamp, Outcome)>,
}

impl Teller {
    /// Until the feed's `stop`.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.feed.stop.cancelled() => return,
                () = self.feed.came.notified() => {}
            }
            if self.feed.readers() == 0 {
                // it is told of each who comes, also of those who have left by now
                continue;
            }
            self.feed.attend(true);
            let stopped = self.tell().await;
            self.feed.attend(false);
            self.feed.ring.forget();
            while self.inbox.try_recv().is_ok() {}
            if stopped {
                return;
            }
        }
    }

    /// Until nobody has listened for a while. Says whether it was stopped.
    async fn tell(&mut self) -> bool {
        let mut news = News::new(self.feed.changes());
        let mut tick = interval(PACE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_seen = Instant::now();
        loop {
            tokio::select! {
                () = self.feed.stop.cancelled() => return true,
                handed = self.inbox.recv() => match handed {
                    Some(handed) => news.take(handed),
                    None => return true,
                },
                now = tick.tick() => {
                    news.look(&self.feed, &self.store).await;
                    news.tell(&self.feed, now);
                    if self.feed.readers() > 0 {
                        last_seen = now;
                    } else if now - last_seen > LINGER {
                        return false;
                    }
                }
            }
        }
    }
}

impl News {
    fn new(revision: u64) -> Self {
        Self {
            beats: Vec::new(),
            most: GATHERED,
            beats_from: Instant::now(),
            incidents: Vec::new(),
            lost: false,
            revision,
            counts: None,
            told: [None; 4],
            standing: Standing::default(),
        }
    }

    fn take(&mut self, handed: Handed) {
        match handed {
            Handed::Beats(beats) => {
                for beat in &beats {
                    self.standing.note(beat);
                }
                self.beats.extend(beats);
                if self.beats.len() > self.most {
                    message::newest(&mut self.beats);
                    self.most = GATHERED.max(2 * self.beats.len());
                }
            }
            Handed::Incidents(news) if self.incidents.len() + news.len() > INCIDENTS => {
                self.lost = true;
            }
            Handed::Incidents(news) => self.incidents.extend(news),
        }
    }

    /// Learns the outcomes of all targets where they are not known yet, or the list has changed.
    async fn look(&mut self, feed: &Feed, store: &Arc<dyn Store>) {
        let standing = &mut self.standing;
        if let Some((revision, looking)) = standing.looking.take() {
            if !looking.is_finished() {
                standing.looking = Some((revision, looking));
                return;
            }
            match looking.await {
                Ok(Ok(look)) => standing.learn(look, revision),
                // the database is away: results are told all the same
                Ok(Err(_)) | Err(_) => standing.next_look = Some(Instant::now() + RETRY),
            }
        }
        let changes = feed.changes();
        let is_due = standing.next_look.is_none_or(|at| at <= Instant::now());
        if standing.revision != Some(changes) && is_due {
            let looking = tokio::spawn(look(Arc::clone(store)));
            standing.looking = Some((changes, looking));
        }
    }

    /// Tells one thing at the most.
    fn tell(&mut self, feed: &Feed, now: Instant) {
        if feed.has_overflowed() || take(&mut self.lost) {
            self.beats.clear();
            self.incidents.clear();
            feed.ring.push("resync", "{}");
            return;
        }
        let (revision, counts) = (feed.changes(), self.standing.counts());
        let mut pending = [false; 4];
        pending[TARGETS] = revision != self.revision;
        pending[INCIDENT] = !self.incidents.is_empty();
        pending[OVERVIEW] = counts.is_some() && counts != self.counts;
        pending[BEATS] = !self.beats.is_empty() && now >= self.beats_from;
        let pending = (0..pending.len()).filter(|kind| pending[*kind]);
        let Some(kind) = pending.min_by_key(|kind| self.told[*kind]) else {
            return;
        };
        self.told[kind] = Some(now);
        match kind {
            TARGETS => {
                self.revision = revision;
                let change = message::list_change(feed.ring.id(revision));
                feed.ring.push("targets", &change);
            }
            INCIDENT => {
                let mut news = take(&mut self.incidents);
                // those that were looked up have their names
                for news in news.iter_mut().filter(|news| news.target_name.is_empty()) {
                    let found = self.standing.targets.get(&TargetId(news.target_id));
                    if let Some(found) = found {
                        news.target_name.clone_from(&found.name);
                    }
                }
                feed.ring.push("incident", &message::incidents(news));
            }
            OVERVIEW => {
                self.counts = counts;
                let counts = counts.unwrap_or_default();
                feed.ring.push("overview", &message::counts(&counts));
            }
            _ => {
                let beats = message::beats(take(&mut self.beats));
                let bytes = feed.ring.push("beats", &beats);
                let seconds = (bytes * feed.readers()) as f64 / BYTES_A_SECOND;
                self.beats_from = now + Duration::from_secs_f64(seconds);
            }
        }
    }
}

impl Standing {
    fn note(&mut self, beat: &Beat) {
        if let Some(found) = self.targets.get_mut(&beat.target)
            && found.last.is_none_or(|(ts, _)| ts <= beat.ts)
        {
            found.last = Some((beat.ts, beat.outcome));
        }
    }

    /// What came meanwhile is newer than what was looked up.
    fn learn(&mut self, mut look: Look, revision: u64) {
        for (target, found) in &mut look {
            if let Some(known) = self.targets.get(target).and_then(|known| known.last)
                && found.last.is_none_or(|(ts, _)| ts < known.0)
            {
                found.last = Some(known);
            }
        }
        self.targets = look;
        self.revision = Some(revision);
        self.next_look = None;
    }

    /// Nothing before the first look.
    fn counts(&self) -> Option<Counts> {
        self.revision?;
        let mut counts = Counts::default();
        for found in self.targets.values() {
            *match found.last {
                None => &mut counts.pending,
                Some((_, Outcome::Up)) => &mut counts.up,
                Some((_, Outcome::Down)) => &mut counts.down,
                Some((_, Outcome::Unknown)) => &mut counts.unknown,
            } += 1;
        }
        Some(counts)
    }
}

async fn look(store: Arc<dyn Store>) -> Result<Look, StoreError> {
    let targets = store.targets(Status::Enabled).await?;
    let named = targets.into_iter().map(|target| {
        let name = target.spec.name;
        (target.id, Found { name, last: None })
    });
    let mut look: Look = named.collect();
    for latest in store.latest_by_target().await? {
        let result = latest.stored.result;
        if let Some(found) = look.get_mut(&result.target) {
            found.last = Some((result.slot, result.outcome()));
        }
    }
    Ok(look)
}
