//! What a list of targets draws of each: its newest results as two short texts, and how the last day went.
//!
//! All of it is read once for all who ask, on top of a [`Snapshot`] and never older than it, and let go when nobody asked for a while.
//! The results of ten thousand targets are read whole in the first question, and afterwards only as far as they are new
//! ([`crate::storage::beats`]). What changes slowly is read at most every few seconds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::OnceCell;
use utoipa::ToSchema;

use super::fresh::Fresh;
use super::query::MAX_BEATS;
use super::representation::Encoded;
use super::snapshot::{Snapshot, Snapshots};
use super::summary::uptime_percent;
use crate::clock::Clock;
use crate::model::{Outcome, ProbeResult, TargetId, TargetMap, TargetSpec, Timestamp, micros};
use crate::storage::beats::{Beat, Beats};
use crate::storage::history::{self, History};
use crate::storage::{Store, StoreError};

const DAY: Duration = Duration::from_secs(86_400);
/// How many beats of each target are kept where nobody asks for more.
const USUAL: usize = 60;
/// Beats of all targets together, twelve bytes each. Beyond it each target tells fewer.
const ALL: usize = 8 << 20;
/// Uptimes and the ends of certificates move slowly, and cost as much as all else together.
const SLOW: Duration = Duration::from_secs(10);
/// How long beats are kept that nobody asks for.
const UNUSED: Duration = Duration::from_secs(180);

/// Answers that are kept for others, which may be of 6 MB each; further ones are made for each who asks.
const ANSWERS: usize = 4;

/// What the newest results of a target say, where `beats` asks for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Told {
    /// The slot of the newest result; null of a target that has none, or is disabled.
    #[schema(value_type = Option<String>, format = DateTime)]
    ts: Option<Timestamp>,
    /// Whether the newest result was up, but slower than it may be.
    #[schema(required = false)]
    slow: bool,
    /// Whether the newest result was up, but packets were lost.
    #[schema(required = false)]
    lossy: bool,
    /// Why the newest result is not up, for programs; null where it is.
    #[schema(example = "timeout")]
    reason: Option<&'static str>,
    /// The same for people.
    error: Option<String>,
    /// The share of up among up and down in the last 24 hours, in percent, rounded down; null when there was neither.
    #[schema(example = 99.98)]
    uptime_24h: Option<f64>,
    /// Whole days until the first of the certificates ends that were presented last, negative when one has ended; null without one.
    #[schema(example = 48)]
    cert_days: Option<i64>,
    /// The median latency of the results in `s`; null where none has a latency.
    median_us: Option<u32>,
    /// The newest results, oldest first, a digit each: `1` up, `2` up but slow or lossy, `3` down, `4` unknown. A `0` between two
    /// of them that are more than 1.5 of its present intervals apart: slots without a result.
    #[schema(required = false, pattern = "^[0-4]{0,120}$", example = "11112113")]
    s: String,
    /// Their latencies, a digit of base64 (`A` to `Z`, `a` to `z`, `0` to `9`, `+`, `/`) each: `A` without one, else 32 (`g`) for the median and
    /// 8 steps for each doubling, from 1 to 63.
    #[schema(
        required = false,
        pattern = "^[A-Za-z0-9+/]{0,120}$",
        example = "gghgfviA"
    )]
    q: String,
}

/// Everything that a list draws, at one moment.
#[derive(Debug)]
pub struct Board {
    pub snapshot: Arc<Snapshot>,
    beats: Arc<Beats>,
    /// For how many beats of each it was read.
    wanted: usize,
    uptimes: Arc<TargetMap<f64>>,
    ends: Arc<TargetMap<Timestamp>>,
    /// The answers to whole lists, by their filters.
    answers: Mutex<Vec<(Question, Answer)>>,
}

/// A list without pages: its filters, and how many beats are told.
pub type Question = ([u8; 8], usize);
type Answer = Arc<OnceCell<Arc<Encoded>>>;

/// What one process keeps of it.
#[derive(Debug)]
pub struct Boards {
    store: Arc<dyn Store>,
    snapshots: Arc<Snapshots>,
    history: Arc<History>,
    clock: Clock,
    board: Fresh<Board>,
    /// The beats that were read last: they stay where another part of a board fails, since reading them whole is dear.
    known: Arc<Mutex<Option<Arc<Beats>>>>,
    uptimes: Arc<Fresh<TargetMap<f64>>>,
    ends: Arc<Fresh<TargetMap<Timestamp>>>,
    /// The most beats that anybody asked for lately.
    most: AtomicUsize,
    asked: Mutex<Asked>,
}

#[derive(Debug)]
struct Asked {
    /// When somebody last did.
    at: Instant,
    /// Whether a task sees to it that what is kept is let go.
    watched: bool,
}

impl Boards {
    pub fn new(
        store: Arc<dyn Store>,
        snapshots: Arc<Snapshots>,
        history: Arc<History>,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            snapshots,
            history,
            clock,
            board: Fresh::default(),
            known: Arc::default(),
            uptimes: Arc::new(Fresh::lasting(SLOW)),
            ends: Arc::new(Fresh::lasting(SLOW)),
            most: AtomicUsize::new(USUAL),
            asked: Mutex::new(Asked {
                at: Instant::now(),
                watched: false,
            }),
        })
    }

    /// The board with so many beats of each target, or as many as there is room for.
    pub async fn current(self: &Arc<Self>, beats: usize) -> Result<Arc<Board>, StoreError> {
        self.note();
        let most = if beats > USUAL { MAX_BEATS } else { USUAL };
        self.most.fetch_max(most, Ordering::Relaxed);
        loop {
            let board = self.board.value(|_| self.read()).await?;
            if board.wanted >= most {
                return Ok(board);
            }
            // it was read, or begun to be, for who wanted fewer
            self.board.forget();
        }
    }

    fn read(&self) -> impl Future<Output = Result<Board, StoreError>> + Send + 'static {
        let (store, snapshots) = (Arc::clone(&self.store), Arc::clone(&self.snapshots));
        let (history, clock) = (Arc::clone(&self.history), self.clock);
        let (uptimes, ends) = (Arc::clone(&self.uptimes), Arc::clone(&self.ends));
        let known = Arc::clone(&self.known);
        let wanted = self.most.load(Ordering::Relaxed);
        async move {
            let day = async {
                let read = |_| async move {
                    let now = clock.now();
                    let since = history::beginning(now, DAY);
                    let sums = history.summaries(None, since, now).await?;
                    let percent = |(id, sum)| Some((id, uptime_percent(&sum)?));
                    Ok(sums.into_iter().filter_map(percent).collect())
                };
                uptimes.value(read).await
            };
            let certificates = async {
                let store = Arc::clone(&store);
                let read = |_| async move { store.expiries().await };
                ends.value(read).await
            };
            let newest = async {
                // the beats after it: whatever it shows is among them
                let snapshot = snapshots.current().await?;
                let enabled = snapshot.enabled().count();
                let most = wanted.min(ALL / enabled.max(1));
                let last = lock(&known).clone();
                let beats = Beats::read(store.as_ref(), last.as_deref(), most).await?;
                let beats = Arc::new(beats);
                *lock(&known) = Some(Arc::clone(&beats));
                Ok::<_, StoreError>((snapshot, beats))
            };
            let (newest, uptimes, ends) = tokio::join!(newest, day, certificates);
            let (snapshot, beats) = newest?;
            Ok(Board {
                snapshot,
                beats,
                wanted,
                uptimes: uptimes?,
                ends: ends?,
                answers: Mutex::default(),
            })
        }
    }

    /// Lets everything go if nobody asked for it for a while; says whether it did.
    fn tidy(&self, now: Instant) -> bool {
        // held to the end: whoever asks meanwhile has another task watch
        let mut asked = lock(&self.asked);
        if now.saturating_duration_since(asked.at) < UNUSED {
            return false;
        }
        asked.watched = false;
        self.most.store(USUAL, Ordering::Relaxed);
        self.board.forget();
        *lock(&self.known) = None;
        self.uptimes.forget();
        self.ends.forget();
        true
    }

    /// Somebody asks: sees to it that everything is let go when nobody did for a while.
    fn note(self: &Arc<Self>) {
        let mut asked = lock(&self.asked);
        asked.at = Instant::now();
        if std::mem::replace(&mut asked.watched, true) {
            return;
        }
        let boards = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UNUSED).await;
                let Some(boards) = boards.upgrade() else {
                    return;
                };
                if boards.tidy(Instant::now()) {
                    return;
                }
            }
        });
    }
}

fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    // whole at every moment that something could panic
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// Where the answer to a question is kept for others who ask the same now.
    pub fn answer(&self, question: Question) -> Answer {
        let mut answers = lock(&self.answers);
        if let Some((_, answer)) = answers.iter().find(|(known, _)| *known == question) {
            return Arc::clone(answer);
        }
        let answer = Answer::default();
        if answers.len() < ANSWERS {
            answers.push((question, Arc::clone(&answer)));
        }
        answer
    }

    /// What it says of a target: at most `most` characters of its beats.
    pub fn told(&self, id: TargetId, spec: &TargetSpec, most: usize) -> Told {
        let latest = self.snapshot.latest_of(id);
        let result = latest.map(|latest| &latest.stored.result);
        let failure = result.and_then(|result| result.observation.verdict.failure());
        // those of a disabled target stay, and are not told
        let ends = self.ends.get(&id).filter(|_| spec.enabled);
        let day = micros(DAY);
        let mut told = Told {
            ts: result.map(|result| result.slot),
            slow: result.is_some_and(|result| result.slow),
            lossy: result.is_some_and(ProbeResult::lossy),
            reason: failure.map(|failure| failure.reason.as_str()),
            error: failure.map(|failure| failure.error.as_str().to_owned()),
            uptime_24h: self.uptimes.get(&id).copied().filter(|_| spec.enabled),
            cert_days: ends
                .map(|ends| (ends.as_micros() - self.snapshot.at.as_micros()).div_euclid(day)),
            median_us: None,
            s: String::new(),
            q: String::new(),
        };
        if let Some(result) = result {
            let beats = self.beats.of(id, result.slot);
            (told.s, told.q, told.median_us) = drawn(&beats, spec.interval, most);
        }
        told
    }
}

/// The beats as texts of one length, at most `most` characters, and the median of their latencies: of an even number the lower one of the
/// two in the middle.
fn drawn(beats: &[Beat], interval: Duration, most: usize) -> (String, String, Option<u32>) {
    // from the newest back: how many there is room for, and before which of them slots have no result
    let longest = micros(interval).saturating_mul(3) / 2;
    let has_gap = |at: usize| {
        let since = |at: usize| beats[at].slot().as_micros();
        at > 0 && since(at).saturating_sub(since(at - 1)) > longest
    };
    let (mut first, mut length) = (beats.len(), 0);
    while first > 0 {
        let needed = 1 + usize::from(first < beats.len() && has_gap(first));
        if length + needed > most {
            break;
        }
        length += needed;
        first -= 1;
    }
    let shown = &beats[first..];
    let mut latencies: Vec<u32> = shown.iter().filter_map(|beat| beat.latency_us()).collect();
    let middle = latencies.len().saturating_sub(1) / 2;
    let median = (!latencies.is_empty()).then(|| *latencies.select_nth_unstable(middle).1);
    let scale = median.map(|median| f64::from(median.max(1)).log2());
    let (mut s, mut q) = (String::with_capacity(length), String::with_capacity(length));
    for (at, beat) in shown.iter().enumerate() {
        if at > 0 && has_gap(first + at) {
            s.push('0');
            q.push('A');
        }
        s.push(match (beat.outcome(), beat.impaired()) {
            (Outcome::Up, false) => '1',
            (Outcome::Up, true) => '2',
            (Outcome::Down, _) => '3',
            (Outcome::Unknown, _) => '4',
        });
        let step = beat.latency_us().zip(scale).map_or(0, |(latency, scale)| {
            let doublings = f64::from(latency.max(1)).log2() - scale;
            (8.0 * doublings + 32.0).round().clamp(1.0, 63.0) as usize
        });
        q.push(char::from(DIGITS[step]));
    }
    (s, q, median)
}

/// Those of base64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::storage::sqlite::SqliteStore;

    /// Up with these latencies, a minute apart but where `None` leaves a slot out.
    fn beats(latencies: &[Option<i64>]) -> Vec<Beat> {
        let slots = latencies.iter().enumerate();
        let beat = |(slot, latency): (usize, &Option<i64>)| {
            let at = Timestamp::from_micros(slot as i64 * 60_000_000);
            latency.map(|latency| Beat::new(at, Outcome::Up, false, Some(latency)))
        };
        slots.filter_map(beat).collect()
    }

    fn texts(latencies: &[Option<i64>], most: usize) -> (String, String, Option<u32>) {
        drawn(&beats(latencies), Duration::from_secs(60), most)
    }

    #[test]
    fn eight_steps_are_a_doubling_and_the_ends_are_held() {
        let all = [100, 200, 50, 107, 1, 0, 1_000_000].map(Some);
        let (s, q, median) = texts(&all, 60);
        assert_eq!((s.as_str(), median), ("1111111", Some(100)));
        let steps: Vec<_> = q
            .bytes()
            .map(|it| DIGITS.iter().position(|digit| *digit == it))
            .collect();
        assert_eq!(steps, [32, 40, 24, 33, 1, 1, 63].map(Some));
        assert_eq!(texts(&[], 60), (String::new(), String::new(), None));
        // a median of nothing is a latency all the same
        assert_eq!(texts(&[Some(0)], 60).1, "g");
    }

    #[test]
    fn a_gap_takes_a_place_only_between_two_results() {
        let all = [Some(1), None, None, Some(1), Some(1)];
        for (most, expected) in [(60, "1011"), (4, "1011"), (3, "11"), (2, "11"), (1, "1")] {
            assert_eq!(texts(&all, most).0, expected, "{most}");
        }
        // a slot and a half is what a target may take that is probed a little late
        let late = [0, 90_000_000, 180_000_001]
            .map(|at| Beat::new(Timestamp::from_micros(at), Outcome::Down, false, None));
        assert_eq!(drawn(&late, Duration::from_secs(60), 60).0, "3303");
    }

    fn boards(database: &Path) -> Arc<Boards> {
        let store = SqliteStore::open(database, "here").unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let (clock, history) = (Clock::start(), Arc::new(History::new(Arc::clone(&store))));
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&store), clock));
        Boards::new(store, snapshots, history, clock)
    }

    #[tokio::test]
    async fn beats_that_were_read_stay_where_another_part_fails() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("pingu.db");
        let boards = boards(&database);
        let other = rusqlite::Connection::open(&database).unwrap();
        let rename = |from, to| other.execute(&format!("ALTER TABLE {from} RENAME TO {to}"), ());
        rename("certificates", "away").unwrap();
        boards.current(60).await.unwrap_err();
        let known = lock(&boards.known).clone();
        assert_eq!(known.map(|beats| beats.most()), Some(60));
        rename("away", "certificates").unwrap();
        boards.current(60).await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let boards = boards(&folder.path().join("pingu.db"));
        for (beats, most) in [(120, 120), (60, 60)] {
            let board = boards.current(beats).await.unwrap();
            assert_eq!(board.beats.most(), most);
            let kept = (Arc::downgrade(&board), Arc::downgrade(&board.beats));
            drop(board);
            let asked = lock(&boards.asked).at;
            assert!(!boards.tidy(asked + UNUSED / 2));
            assert!(kept.0.upgrade().is_some());
            assert!(boards.tidy(asked + UNUSED));
            assert!(kept.0.upgrade().is_none(), "{beats}");
            assert!(kept.1.upgrade().is_none(), "{beats}");
        }
    }
}
