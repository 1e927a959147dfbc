//! Nothing is lost while the database is away: the recorder and its spool against a database that does everything wrong, in every
//! order, and the real program against a locked file, a full disk and kills.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingu::metrics::Metrics;
use pingu::model::{
    Declared, Incident, Measurement, Observation, ProbeResult, StoredIncident, StoredResult,
    Target, TargetId, TargetMap, Timestamp,
};
use pingu::storage::beats::{BeatQuery, Found};
use pingu::storage::recorder::{Pace, Recorder};
use pingu::storage::spool::{Load, Place, Spool, SpoolError, Work};
use pingu::storage::{
    Change, Day, Figures, FiguresQuery, Floors, IncidentQuery, IncidentStore, Kept, Latest,
    Presented, Progress, Recorded, Resolution, ResultQuery, Roster, Stale, Stamp, Standing, Stats,
    Status, Store, StoreError,
};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::pingu::PATIENCE;

/// A result's identity.
type Key = (TargetId, Timestamp);

/// How the database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Away,
    /// Away until it is given a result of this number or a later one.
    AwayUntil(u64),
    /// Never answers.
    Silent,
    /// Stores, and then does not say so.
    Forgetful,
    /// Refuses everything as a fault.
    Broken,
    Slow(u64),
    Panicking,
}

/// A database in memory, which a test directs.
#[derive(Default)]
struct Fake {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    mood: Option<Mood>,
    rows: HashMap<Key, usize>,
    /// In the order of storing.
    order: Vec<Key>,
    calls: usize,
    /// Results that make a whole batch fail.
    poison: BTreeSet<i64>,
    /// Targets that it does not know.
    unknown: BTreeSet<TargetId>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    fn new(mood: Mood) -> Arc<Self> {
        let fake = Self::default();
        fake.become_(mood);
        Arc::new(fake)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn become_(&self, mood: Mood) {
        self.with(|inner| inner.mood = Some(mood));
    }

    /// It holds these results and no others.
    fn assert_holds(&self, expected: impl Iterator<Item = u64>) {
        let (found, expected) = (self.keys(), expected.map(key).collect::<BTreeSet<_>>());
        let missing: Vec<_> = expected.difference(&found).take(5).collect();
        let surplus: Vec<_> = found.difference(&expected).take(5).collect();
        let sizes = (found.len(), expected.len());
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{sizes:?}, missing {missing:?}, surplus {surplus:?}"
        );
    }

    fn keys(&self) -> BTreeSet<Key> {
        self.with(|inner| inner.rows.keys().copied().collect())
    }
}

impl Inner {
    fn store(&mut self, batch: &[ProbeResult]) -> Result<Recorded, StoreError> {
        if batch
            .iter()
            .any(|it| self.poison.contains(&it.slot.as_micros()))
        {
            return Err(StoreError::Fault("no such value".to_owned()));
        }
        let mut recorded = Recorded::default();
        for result in batch {
            if self.unknown.contains(&result.target) {
                recorded.quarantined += 1;
                continue;
            }
            let key = (result.target, result.slot);
            let times = self.rows.entry(key).or_default();
            *times += 1;
            if *times == 1 {
                recorded.stored += 1;
                self.order.push(key);
            } else {
                recorded.duplicate += 1;
            }
        }
        Ok(recorded)
    }
}

#[async_trait]
impl IncidentStore for Fake {
    async fn write_incidents(&self, _: &[Incident]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn open_incidents(&self) -> Result<Vec<StoredIncident>, StoreError> {
        Ok(Vec::new())
    }

    async fn incidents(&self, _: &IncidentQuery) -> Result<Vec<StoredIncident>, StoreError> {
        Ok(Vec::new())
    }

    async fn incident(&self, _: i64) -> Result<Option<StoredIncident>, StoreError> {
        Ok(None)
    }

    async fn forget_incidents(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Store for Fake {
    async fn record(&self, batch: Arc<[ProbeResult]>) -> Result<Recorded, StoreError> {
        let mood = self.with(|inner| {
            inner.calls += 1;
            if let Some(Mood::AwayUntil(number)) = inner.mood
                && batch.iter().any(|it| it.slot.as_micros() >= number as i64)
            {
                inner.mood = Some(Mood::Well);
            }
            inner.mood
        });
        let store = || self.with(|inner| inner.store(&batch));
        match mood.unwrap_or(Mood::Well) {
            Mood::Well => store(),
            Mood::Away | Mood::AwayUntil(_) => {
                Err(StoreError::Unavailable("connection refused".to_owned()))
            }
            Mood::Silent => std::future::pending().await,
            Mood::Forgetful => {
                store()?;
                Err(StoreError::Unavailable("connection reset".to_owned()))
            }
            Mood::Broken => Err(StoreError::Fault("no partition for this day".to_owned())),
            Mood::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                store()
            }
            // without the message of a panic, which nobody wants to read here
            Mood::Panicking => std::panic::resume_unwind(Box::new("a fault of the store")),
        }
    }

    async fn sync_targets(&self, _: &[Declared], _: Timestamp) -> Result<Vec<Change>, StoreError> {
        Ok(Vec::new())
    }

    async fn targets(&self, _: Status) -> Result<Vec<Target>, StoreError> {
        Ok(Vec::new())
    }

    async fn target(&self, _: &str) -> Result<Option<Target>, StoreError> {
        Ok(None)
    }

    async fn roster(&self, _: Option<Stamp>) -> Result<Option<Roster>, StoreError> {
        Ok(None)
    }

    async fn results(&self, _: &ResultQuery) -> Result<Vec<StoredResult>, StoreError> {
        Ok(Vec::new())
    }

    async fn latest_by_target(&self) -> Result<Vec<Latest>, StoreError> {
        Ok(Vec::new())
    }

    async fn beats(&self, _: &BeatQuery) -> Result<Found, StoreError> {
        Ok(Found::default())
    }

    async fn figures(&self, _: &FiguresQuery) -> Result<Vec<Figures>, StoreError> {
        Ok(Vec::new())
    }

    async fn stale(&self) -> Result<Vec<Stale>, StoreError> {
        Ok(Vec::new())
    }

    async fn standing(&self, _: Timestamp, _: Timestamp) -> Result<Standing, StoreError> {
        Ok(Standing::default())
    }

    async fn certificates(&self, _: TargetId) -> Result<Vec<Presented>, StoreError> {
        Ok(Vec::new())
    }

    async fn expiries(&self) -> Result<TargetMap<Timestamp>, StoreError> {
        Ok(TargetMap::default())
    }

    async fn roll_up(&self, _: Stale, _: Vec<Figures>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn floors(&self) -> Result<Floors, StoreError> {
        Ok(Floors::default())
    }

    async fn days(&self, _: Resolution) -> Result<Vec<Kept>, StoreError> {
        Ok(Vec::new())
    }

    async fn drop_day(&self, _: Resolution, _: Day) -> Result<Progress, StoreError> {
        Ok(Progress::Gone(None))
    }

    async fn forget_verdicts(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        Ok(Stats::default())
    }

    async fn close(&self) {}
}

fn target(number: u64) -> TargetId {
    TargetId(uuid::Uuid::from_u128(u128::from(number)))
}

/// Result `number`, of one of twenty targets; its slot is its number.
fn result(number: u64) -> ProbeResult {
    let measurement = Measurement {
        latency: Some(Duration::from_micros(number)),
        ..Measurement::default()
    };
    ProbeResult {
        target: target(number % 20),
        slot: Timestamp::from_micros(number as i64),
        lag: Duration::ZERO,
        slow: false,
        observation: Observation::up(measurement),
    }
}

fn key(number: u64) -> Key {
    let result = result(number);
    (result.target, result.slot)
}

/// A recorder at work, ten times as fast as the real one so that outages take milliseconds.
struct Bench {
    folder: TempDir,
    max_bytes: u64,
    store: Arc<Fake>,
    metrics: Arc<Metrics>,
    results: Option<mpsc::Sender<ProbeResult>>,
    task: Option<JoinHandle<()>>,
    produced: u64,
}

const PACE: Pace = Pace {
    flush: Duration::from_millis(10),
    deadline: Duration::from_millis(300),
    first_retry: Duration::from_millis(20),
    last_retry: Duration::from_millis(60),
    reopen: Duration::from_millis(50),
    second_look: Duration::from_millis(200),
    end: Duration::from_secs(20),
};

fn place(folder: &TempDir, max_bytes: u64) -> Place {
    Place {
        path: folder.path().join("pingu.spool.db"),
        max_bytes,
        location: "local".to_owned(),
    }
}

/// Opens the spool; the thread of a recorder that was dropped may hold it a moment longer.
async fn open(place: &Place) -> Spool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match place.open() {
            Ok(spool) => return spool,
            Err(SpoolError::InUse(_)) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Bench {
    async fn new(store: &Arc<Fake>) -> Self {
        Self::start(TempDir::new().unwrap(), 1 << 30, store).await
    }

    async fn start(folder: TempDir, max_bytes: u64, store: &Arc<Fake>) -> Self {
        Self::paced(folder, max_bytes, store, PACE).await
    }

    async fn paced(folder: TempDir, max_bytes: u64, store: &Arc<Fake>, pace: Pace) -> Self {
        let place = place(&folder, max_bytes);
        let spool = open(&place).await;
        Self::with(folder, place, Some(spool), store, pace)
    }

    fn with(
        folder: TempDir,
        place: Place,
        spool: Option<Spool>,
        store: &Arc<Fake>,
        pace: Pace,
    ) -> Self {
        let metrics = Metrics::new();
        let (results, received) = mpsc::channel(1000);
        let max_bytes = place.max_bytes;
        let recorder = Recorder {
            store: Arc::clone(store) as Arc<dyn Store>,
            metrics: Arc::clone(&metrics),
            place,
            spool,
            pace,
        };
        Self {
            folder,
            max_bytes,
            store: Arc::clone(store),
            metrics,
            results: Some(results),
            task: Some(tokio::spawn(recorder.run(received))),
            produced: 0,
        }
    }

    async fn send(&mut self, numbers: std::ops::Range<u64>) {
        let results = self.results.as_ref().unwrap();
        for number in numbers {
            results.send(result(number)).await.unwrap();
            self.produced += 1;
        }
    }

    fn waiting(&self) -> u64 {
        self.metrics.waiting.get() as u64
    }

    fn spooled(&self) -> u64 {
        self.metrics.spooled.get() as u64
    }

    fn dropped(&self) -> u64 {
        self.metrics.dropped_in_all()
    }

    fn sum(&self) -> u64 {
        self.metrics.stored.get()
            + self.metrics.duplicate.get()
            + self.metrics.quarantined.get()
            + self.dropped()
            + self.spooled()
            + self.waiting()
    }

    /// In memory alone, or still in the channel.
    fn at_risk(&self) -> u64 {
        let all = self.produced + self.metrics.recovered.get();
        all - (self.sum() - self.waiting())
    }

    fn is_balanced(&self) -> bool {
        self.produced + self.metrics.recovered.get() == self.sum()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(
                Instant::now() < deadline,
                "waiting for {what} in vain:\n{}",
                self.metrics.encode()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_all_is_stored(&self) {
        self.until("everything to be stored", |bench| {
            bench.waiting() == 0 && bench.spooled() == 0 && bench.is_balanced()
        })
        .await;
    }

    /// Ends it gracefully, with everything balanced.
    async fn stop(&mut self) {
        self.results = None;
        self.task.take().unwrap().await.unwrap();
        assert_eq!(
            self.produced + self.metrics.recovered.get(),
            self.sum(),
            "{}",
            self.metrics.encode()
        );
    }

    /// As a kill would: at once, wherever it is.
    async fn crash(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    /// The next process, on what is on disk.
    async fn again(self) -> Self {
        Self::start(self.folder, self.max_bytes, &self.store).await
    }
}

/// The results that lie in a spool.
fn contents(spool: &mut Spool) -> Vec<Key> {
    let load = Some(Load {
        below: i64::MAX,
        results: usize::MAX,
    });
    let work = Work {
        load,
        ..Work::default()
    };
    let chunks = spool.work(&work).unwrap().loaded;
    let results = chunks.iter().flat_map(|chunk| &chunk.results);
    results.map(|it| (it.target, it.slot)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_outage_the_spool_stays_empty() {
    let store = Fake::new(Mood::Well);
    let mut bench = Bench::new(&store).await;
    bench.send(0..5000).await;
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), 5000);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_everything_is_stored_once_live_results_first() {
    let store = Fake::new(Mood::Away);
    let mut bench = Bench::new(&store).await;
    for part in 0..10 {
        bench.send(part * 3000..(part + 1) * 3000).await;
        let spooled = (part + 1) * 3000;
        bench
            .until("the results to be spooled", |it| {
                // the account is exact at rest, not between two of its figures
                it.spooled() == spooled && it.is_balanced()
            })
            .await;
    }
    assert_eq!(bench.waiting(), 0);
    // however late the live results come, nothing is replayed before
    store.become_(Mood::AwayUntil(30_000));
    bench.send(30_000..30_100).await;
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), 30_100);
    assert_eq!(bench.metrics.duplicate.get(), 0);
    let order = store.with(|inner| inner.order.clone());
    let place = |number| order.iter().position(|it| *it == key(number)).unwrap();
    // they may have been spooled meanwhile, and come with the newest of the others
    assert!(place(30_000) < 10_100, "{}", place(30_000));
    assert!(place(29_999) < place(0), "the newest first");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_never_answers_is_noticed_when_it_does_again() {
    let store = Fake::new(Mood::Silent);
    let mut bench = Bench::new(&store).await;
    bench.send(0..500).await;
    bench
        .until("the results to be spooled", |it| it.spooled() == 500)
        .await;
    bench
        .until("a failure", |it| it.metrics.flush_failures.get() > 0)
        .await;
    store.become_(Mood::Well);
    // the calls that were under way never end: others must find out
    bench.send(500..600).await;
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), 600);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_for_long_is_on_disk_already() {
    let store = Fake::new(Mood::Silent);
    let patient = Pace {
        deadline: Duration::from_secs(3600),
        ..PACE
    };
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::paced(folder, 1 << 30, &store, patient).await;
    bench.send(0..500).await;
    bench
        .until("the results to be spooled", |it| it.spooled() == 500)
        .await;
    assert_eq!(bench.metrics.flush_failures.get(), 0, "it may yet answer");
    bench.crash().await;
    let found = on_disk(&place(&bench.folder, bench.max_bytes)).await;
    assert_eq!(found, (0..500).map(key).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_without_an_answer_comes_out_as_duplicates() {
    let store = Fake::new(Mood::Forgetful);
    let mut bench = Bench::new(&store).await;
    bench.send(0..500).await;
    bench
        .until("a failure", |it| it.metrics.flush_failures.get() > 0)
        .await;
    store.become_(Mood::Well);
    bench.until_all_is_stored().await;
    assert!(bench.metrics.duplicate.get() > 0);
    assert_eq!(
        bench.metrics.stored.get() + bench.metrics.duplicate.get(),
        500
    );
    assert_eq!(store.keys().len(), 500);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_gets_everything_and_results_are_safe_meanwhile() {
    let store = Fake::new(Mood::Slow(100));
    let mut bench = Bench::new(&store).await;
    bench.send(0..100).await;
    bench
        .until("the batch under way to be spooled as well", |it| {
            it.spooled() > 0 || it.metrics.stored.get() == 100
        })
        .await;
    for part in 1..20 {
        bench.send(part * 100..(part + 1) * 100).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), 2000);
    assert_eq!(bench.metrics.flush_failures.get(), 0);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_row_is_quarantined_with_its_error_and_its_neighbours_are_stored() {
    let store = Fake::new(Mood::Well);
    store.with(|inner| inner.poison.extend([17, 900, 901]));
    let mut bench = Bench::new(&store).await;
    bench.send(0..1000).await;
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.quarantined.get(), 3);
    assert_eq!(bench.metrics.stored.get(), 997);
    bench.stop().await;
    let path = place(&bench.folder, 0).path;
    let file = rusqlite::Connection::open(path).unwrap();
    let mut statement = file
        .prepare("SELECT target_id, ts, error FROM quarantine ORDER BY ts")
        .unwrap();
    let kept: Vec<(String, String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let expected: Vec<_> = [17, 900, 901]
        .into_iter()
        .map(|number| {
            let (target, slot) = key(number);
            (
                target.to_string(),
                slot.to_string(),
                "no such value".to_owned(),
            )
        })
        .collect();
    assert_eq!(kept, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_row_that_comes_alone_is_kept_until_others_are_taken() {
    let store = Fake::new(Mood::Well);
    store.with(|inner| inner.poison.extend([0]));
    let mut bench = Bench::new(&store).await;
    bench.send(0..1).await;
    bench
        .until("it to be spooled", |it| it.spooled() == 1)
        .await;
    assert_eq!(bench.metrics.quarantined.get(), 0, "it may be the database");
    let mut next = 1;
    while bench.metrics.quarantined.get() == 0 {
        assert!(next < 10_000, "{}", bench.metrics.encode());
        bench.send(next..next + 1).await;
        next += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), next - 1);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_everything_is_away_and_nothing_is_quarantined() {
    let store = Fake::new(Mood::Broken);
    let mut bench = Bench::new(&store).await;
    bench.send(0..1000).await;
    bench
        .until("the results to be spooled", |it| it.spooled() == 1000)
        .await;
    bench
        .until("several trials", |it| it.metrics.flush_failures.get() > 3)
        .await;
    store.become_(Mood::Well);
    bench.send(1000..1100).await;
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.quarantined.get(), 0);
    assert_eq!(bench.metrics.stored.get(), 1100);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spooled_results_that_the_database_refuses_wait_and_hold_nothing_up() {
    let store = Fake::new(Mood::Away);
    let mut bench = Bench::new(&store).await;
    bench.send(0..500).await;
    bench
        .until("the results to be spooled", |it| it.spooled() == 500)
        .await;
    bench.send(500..1000).await;
    bench
        .until("the results to be spooled", |it| it.spooled() == 1000)
        .await;
    // as when the partition of a day is missing: more targets than any accident concerns
    store.with(|inner| inner.poison.extend(500..1000));
    store.become_(Mood::Well);
    bench.send(1000..1001).await;
    bench
        .until("live results", |it| it.metrics.stored.get() > 0)
        .await;
    let mut next = 1001;
    while bench.metrics.flush_failures.get() < 6 {
        bench.send(next..next + 1).await;
        next += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.metrics.quarantined.get(), 0);
    store.with(|inner| inner.poison.clear());
    bench.until_all_is_stored().await;
    assert_eq!(
        bench.metrics.stored.get() + bench.metrics.duplicate.get(),
        next
    );
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_an_unknown_target_are_found_and_kept() {
    let store = Fake::new(Mood::Well);
    store.with(|inner| inner.unknown.extend([target(3)]));
    let mut bench = Bench::new(&store).await;
    bench.send(0..1000).await;
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.quarantined.get(), 50);
    assert_eq!(bench.metrics.stored.get(), 950);
    bench.stop().await;
    let file = rusqlite::Connection::open(place(&bench.folder, 0).path).unwrap();
    let kept: i64 = file
        .query_row(
            "SELECT count(*) FROM quarantine WHERE target_id = ?1",
            [target(3).to_string()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_panics_is_a_database_that_is_away() {
    let store = Fake::new(Mood::Panicking);
    let mut bench = Bench::new(&store).await;
    bench.send(0..100).await;
    bench
        .until("the results to be spooled", |it| it.spooled() == 100)
        .await;
    store.become_(Mood::Well);
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), 100);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_a_database_leaves_everything_in_the_spool() {
    for mood in [Mood::Away, Mood::Silent, Mood::Broken] {
        let store = Fake::new(mood);
        let mut bench = Bench::new(&store).await;
        bench.send(0..2345).await;
        let asked = Instant::now();
        bench.stop().await;
        assert!(asked.elapsed() < PACE.end, "{mood:?}");
        assert_eq!((bench.spooled(), bench.dropped()), (2345, 0), "{mood:?}");
        store.become_(Mood::Well);
        let mut next = bench.again().await;
        next.until("the spool to be found", |it| {
            it.metrics.recovered.get() == 2345
        })
        .await;
        next.until_all_is_stored().await;
        assert_eq!(next.metrics.stored.get(), 2345, "{mood:?}");
        next.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_keeps_the_newest_and_counts_the_others() {
    let store = Fake::new(Mood::Away);
    let mut bench = Bench::start(TempDir::new().unwrap(), 1 << 20, &store).await;
    bench.send(0..60_000).await;
    bench
        .until("the results to be spooled", |it| {
            it.waiting() == 0 && it.is_balanced()
        })
        .await;
    let dropped = bench.dropped();
    assert!(dropped > 20_000, "{dropped}");
    assert!(bench.metrics.spool_bytes.get() <= 1 << 20);
    store.become_(Mood::Well);
    bench.until_all_is_stored().await;
    assert_eq!(bench.metrics.stored.get(), 60_000 - dropped);
    store.assert_holds(dropped..60_000);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_spool_memory_keeps_results_until_there_is_one() {
    let store = Fake::new(Mood::Away);
    let folder = TempDir::new().unwrap();
    let place = Place {
        path: folder.path().join("later").join("pingu.spool.db"),
        max_bytes: 1 << 30,
        location: "local".to_owned(),
    };
    let error = place.open().unwrap_err();
    assert!(matches!(error, SpoolError::Unavailable(_)), "{error}");
    let later = folder.path().join("later");
    let mut bench = Bench::with(folder, place, None, &store, PACE);
    bench.send(0..205_000).await;
    bench
        .until("memory to be full", |it| it.dropped() == 5000)
        .await;
    std::fs::create_dir(later).unwrap();
    bench
        .until("the results to be spooled", |it| it.spooled() == 200_000)
        .await;
    store.become_(Mood::Well);
    bench.until_all_is_stored().await;
    assert_eq!(store.keys().len(), 200_000);
    // the oldest go, but for those that are on their way to the database at that moment
    assert!((15_000..205_000).all(|it| store.with(|inner| inner.rows.contains_key(&key(it)))));
    bench.stop().await;
}

/// A step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Send(u64),
    Turn(Mood),
    Wait(u64),
    /// Until nothing is in memory alone, whatever the database does.
    Settle,
    Crash,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mood = prop_oneof![
        3 => Just(Mood::Well),
        2 => Just(Mood::Away),
        1 => Just(Mood::Silent),
        1 => Just(Mood::Forgetful),
        1 => Just(Mood::Broken),
        1 => (1..40_u64).prop_map(Mood::Slow),
        1 => Just(Mood::Panicking),
    ];
    let step = prop_oneof![
        5 => (1..400_u64).prop_map(Step::Send),
        4 => mood.prop_map(Step::Turn),
        4 => (0..60_u64).prop_map(Step::Wait),
        2 => Just(Step::Settle),
        2 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 5..40)
}

/// Lives through a history and accounts for every result at its end.
async fn live_through(steps: Vec<Step>, poison: BTreeSet<i64>) {
    let store = Fake::new(Mood::Well);
    store.with(|inner| inner.poison.clone_from(&poison));
    let is_poison = |number: &u64| poison.contains(&(*number as i64));
    let mut bench = Bench::new(&store).await;
    let mut sent = 0;
    let mut lost: BTreeSet<u64> = BTreeSet::new();
    for step in steps {
        match step {
            Step::Send(count) => {
                bench.send(sent..sent + count).await;
                sent += count;
            }
            Step::Turn(mood) => store.become_(mood),
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Settle => {
                bench
                    .until("memory to be empty", |it| {
                        it.is_balanced() && it.waiting() == 0
                    })
                    .await;
            }
            Step::Restart => {
                bench.stop().await;
                assert_eq!((bench.waiting(), bench.dropped()), (0, 0));
                bench = bench.again().await;
            }
            Step::Crash => {
                let at_risk = bench.at_risk();
                bench.crash().await;
                let mut kept = store.keys();
                kept.extend(on_disk(&place(&bench.folder, bench.max_bytes)).await);
                let gone: BTreeSet<u64> = (0..sent)
                    .filter(|it| !kept.contains(&key(*it)) && !lost.contains(it))
                    .collect();
                let clean = gone.iter().filter(|it| !is_poison(it)).count() as u64;
                assert!(
                    clean <= at_risk,
                    "{clean} results are gone, {at_risk} were in memory"
                );
                lost.extend(gone);
                bench = bench.again().await;
            }
        }
    }
    store.become_(Mood::Well);
    // live results, so that poison is told from a database that refuses everything
    let deadline = Instant::now() + PATIENCE;
    loop {
        bench.send(sent..sent + 1).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
        if bench.waiting() + bench.spooled() == 0 && bench.is_balanced() {
            break;
        }
        assert!(Instant::now() < deadline, "{}", bench.metrics.encode());
    }
    bench.stop().await;
    let is_kept = |it: &u64| !lost.contains(it);
    store.assert_holds((0..sent).filter(|it| is_kept(it) && !is_poison(it)));
    let quarantine = quarantine(&place(&bench.folder, bench.max_bytes));
    let expected: BTreeSet<Key> = (0..sent)
        .filter(|it| is_kept(it) && is_poison(it))
        .map(key)
        .collect();
    assert_eq!(quarantine, expected);
}

/// Everything that outlived a process, in the spool and in its quarantine.
async fn on_disk(place: &Place) -> BTreeSet<Key> {
    let mut spool = open(place).await;
    let mut found: BTreeSet<Key> = contents(&mut spool).into_iter().collect();
    drop(spool);
    found.extend(quarantine(place));
    found
}

fn quarantine(place: &Place) -> BTreeSet<Key> {
    let file = rusqlite::Connection::open(&place.path).unwrap();
    let mut statement = file
        .prepare("SELECT target_id, ts FROM quarantine")
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    rows.unwrap()
        .map(|row| {
            let (target, ts) = row.unwrap();
            (TargetId(target.parse().unwrap()), ts.parse().unwrap())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_result_is_stored_once_or_accounted_for(
        steps in steps(),
        poison in proptest::collection::btree_set(0..3000_i64, 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live_through(steps, poison));
    }
}
