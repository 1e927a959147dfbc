//! Where results, incidents and changes are handed over to the readers of events.
//!
//! Handing over never waits: what does not fit is left out, and readers are told to look at everything again. While nobody listens it
//! costs the look at one flag.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::message::{self, Beat, IncidentNews};
use super::ring::Ring;
use crate::api::serve::room;
use crate::metrics::Metrics;
use crate::model::{Incident, ProbeResult, TargetId, TargetMap};

/// Batches that wait to be told; the pipeline makes twenty a second.
const QUEUE: usize = 64;
/// Streams at once, and the most of the connections that they may take.
const STREAMS: usize = 1024;
const SHARE_OF_CONNECTIONS: usize = 2;
/// Results of one target that wait for their readers; who is further behind misses some.
const PACKETS: usize = 64;

/// The one place where events come together.
#[derive(Debug)]
pub struct Feed {
    pub(super) ring: Ring,
    pub(super) stop: CancellationToken,
    pub(super) metrics: Arc<Metrics>,
    /// Whether anyone wants to know.
    attended: AtomicBool,
    /// A reader came, after nobody was there.
    pub(super) came: Notify,
    handed: mpsc::Sender<Handed>,
    /// Something could not be handed over.
    overflowed: AtomicBool,
    /// How often the list of targets has changed.
    revision: Arc<AtomicU64>,
    streams: Arc<Semaphore>,
    readers: AtomicUsize,
    /// Readers of single targets.
    packets: Mutex<TargetMap<broadcast::Sender<Bytes>>>,
    watched: AtomicUsize,
    location: Arc<str>,
}

/// What is handed over.
#[derive(Debug)]
pub enum Handed {
    Beats(Vec<Beat>),
    Incidents(Vec<IncidentNews>),
}

/// A stream's place among the readers.
#[derive(Debug)]
pub struct Seat {
    feed: Arc<Feed>,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// `location` is where results come from that are handed over in this process.
    pub fn new(
        location: &str,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<Handed>) {
        let (handed, inbox) = mpsc::channel(QUEUE);
        let streams = STREAMS.min(room() / SHARE_OF_CONNECTIONS).max(1);
        let feed = Self {
            ring: Ring::new(),
            stop,
            metrics,
            attended: AtomicBool::new(false),
            came: Notify::new(),
            handed,
            overflowed: AtomicBool::new(false),
            revision: Arc::new(AtomicU64::new(0)),
            streams: Arc::new(Semaphore::new(streams)),
            readers: AtomicUsize::new(0),
            packets: Mutex::default(),
            watched: AtomicUsize::new(0),
            location: location.into(),
        };
        (Arc::new(feed), inbox)
    }

    /// Tells readers of new results.
    pub fn results<'a>(&self, results: impl Iterator<Item = &'a ProbeResult> + Clone) {
        if !self.is_attended() {
            return;
        }
        if self.watched.load(Ordering::Relaxed) > 0 {
            self.tell_packets(results.clone());
        }
        self.hand(Handed::Beats(results.map(Beat::of).collect()));
    }

    /// Tells readers that an incident began, changed or ended.
    pub fn incident(&self, incident: &Incident) {
        if self.is_attended() {
            let news = IncidentNews::of(incident, &self.location);
            self.incidents(vec![news]);
        }
    }

    /// Tells readers of incidents that began, changed or ended.
    pub(super) fn incidents(&self, news: Vec<IncidentNews>) {
        self.hand(Handed::Incidents(news));
    }

    /// Something happened that nobody can be told one by one.
    pub(super) fn overflow(&self) {
        self.overflowed.store(true, Ordering::Relaxed);
    }

    /// A count that whoever changes the list of targets raises.
    pub fn revision(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.revision)
    }

    pub(super) fn changes(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn hand(&self, handed: Handed) {
        if self.handed.try_send(handed).is_err() {
            self.overflow();
        }
    }

    /// Whether something was left out since the last time of asking.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Relaxed)
    }

    pub(super) fn attend(&self, attended: bool) {
        self.attended.store(attended, Ordering::Relaxed);
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    fn tell_packets<'a>(&self, results: impl Iterator<Item = &'a ProbeResult>) {
        let mut packets = self.packets();
        for result in results {
            let Some(readers) = packets.get(&result.target) else {
                continue;
            };
            if readers.receiver_count() == 0 {
                packets.remove(&result.target);
                self.watched.store(packets.len(), Ordering::Relaxed);
            } else {
                // the last one may leave at this moment
                let _ = readers.send(message::packet(result, &self.location));
            }
        }
    }

    /// Every result of a target from now on.
    pub(super) fn packets_of(&self, target: TargetId) -> broadcast::Receiver<Bytes> {
        let mut packets = self.packets();
        packets.retain(|_, readers| readers.receiver_count() > 0);
        let readers = packets
            .entry(target)
            .or_insert_with(|| broadcast::Sender::new(PACKETS))
            .subscribe();
        self.watched.store(packets.len(), Ordering::Relaxed);
        readers
    }

    fn packets(&self) -> MutexGuard<'_, TargetMap<broadcast::Sender<Bytes>>> {
        // nothing in here can be half done
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among the readers, if there is one.
    pub(super) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let permit = Arc::clone(&self.streams).try_acquire_owned().ok()?;
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.metrics.serving.streams.inc();
        self.came.notify_one();
        Some(Seat {
            feed: Arc::clone(self),
            _permit: permit,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.feed.readers.fetch_sub(1, Ordering::Relaxed);
        self.feed.metrics.serving.streams.dec();
    }
}
