//! A value of the database that many readers share: read when somebody asks, by one query at a time, and kept for a moment.
//!
//! Whoever asks gets a value whose reading began at most [`LIFETIME`] ago, or as long ago as its place allows, or waits for the one that is
//! being read. What is dear may serve for longer, as long as it cost several times over: however many ask, the database rests half of the time. A reading that failed is an error for those who waited for it, never an older value; the next who asks begins another.
//! Readers that go away stop no reading that others wait for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::storage::StoreError;

/// How old a value may be. From half of this age on it is read again while it still serves, so that readers who come all the time never
/// wait.
pub const LIFETIME: Duration = Duration::from_millis(250);

type Reading<T> = Shared<BoxFuture<'static, Result<Arc<T>, StoreError>>>;

/// A reading that took less is repeated for everyone who asks: what was written is seen at once.
const CHEAP: Duration = Duration::from_millis(25);
/// What was dearer serves so many times as long as it took.
const COSTS: u32 = 8;
/// But no longer than this, or twice as long as it took.
const LONGEST: Duration = Duration::from_secs(2);

/// The place of one value.
pub struct Fresh<T> {
    kept: Arc<Mutex<Kept<T>>>,
    lifetime: Lifetime,
}

/// How long values of a place serve.
#[derive(Clone, Copy)]
enum Lifetime {
    Fixed(Duration),
    ByCost,
}

/// When a value is read again while it still serves, and until when it does; after its reading began.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Term {
    due: Duration,
    end: Duration,
}

impl Lifetime {
    fn of(self, cost: Duration) -> Term {
        let (cost, rest) = match self {
            Self::Fixed(lifetime) => (Duration::ZERO, lifetime),
            Self::ByCost if cost < CHEAP => (Duration::ZERO, Duration::ZERO),
            Self::ByCost => (cost, (cost * COSTS).min(LONGEST.max(cost * 2))),
        };
        Term {
            due: cost + rest / 2,
            end: cost + rest,
        }
    }
}

struct Kept<T> {
    value: Option<Value<T>>,
    reading: Option<Reading<T>>,
}

struct Value<T> {
    /// When its reading began.
    begun: Instant,
    term: Term,
    read: Arc<T>,
}

impl<T: Send + Sync + 'static> Default for Fresh<T> {
    fn default() -> Self {
        Self::lasting(LIFETIME)
    }
}

impl<T> fmt::Debug for Fresh<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Fresh<T> {
    /// A place whose value may be this old.
    pub fn lasting(lifetime: Duration) -> Self {
        Self::new(Lifetime::Fixed(lifetime))
    }

    /// A place whose value serves the longer the more it cost, and not at all where it cost little.
    pub fn by_cost() -> Self {
        Self::new(Lifetime::ByCost)
    }

    fn new(lifetime: Lifetime) -> Self {
        Self {
            kept: Arc::new(Mutex::new(Kept {
                value: None,
                reading: None,
            })),
            lifetime,
        }
    }

    /// Lets the value go: the next who asks reads another, of which nothing is known.
    pub fn forget(&self) {
        lock(&self.kept).value = None;
    }

    /// The value, read with `read` where there is none that is fresh; it is told what was read last, however old, unless a reading
    /// has failed since.
    pub async fn value<F>(
        &self,
        read: impl FnOnce(Option<Arc<T>>) -> F + Send,
    ) -> Result<Arc<T>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let reading = {
            let mut kept = lock(&self.kept);
            let fresh = kept.value.as_ref().and_then(|value| {
                let age = value.begun.elapsed();
                let is_due = age >= value.term.due;
                (age < value.term.end).then(|| (is_due, Arc::clone(&value.read)))
            });
            match (fresh, &kept.reading) {
                (Some((is_due, value)), reading) => {
                    if is_due && reading.is_none() {
                        // goes on by itself
                        let last = Some(Arc::clone(&value));
                        drop(self.begin(&mut kept, last, read));
                    }
                    return Ok(value);
                }
                (None, Some(reading)) => reading.clone(),
                (None, None) => {
                    // let go of before the next one is read: of 10,000 targets each is megabytes
                    let last = kept.value.take().map(|value| value.read);
                    self.begin(&mut kept, last, read)
                }
            }
        };
        reading.await
    }

    fn begin<F>(
        &self,
        kept: &mut Kept<T>,
        last: Option<Arc<T>>,
        read: impl FnOnce(Option<Arc<T>>) -> F,
    ) -> Reading<T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let begun = Instant::now();
        let work = read(last);
        let (place, lifetime) = (Arc::clone(&self.kept), self.lifetime);
        // a task of its own: it goes on when the reader who began it has gone
        let task = tokio::spawn(async move {
            let answer = work.await.map(Arc::new);
            let mut kept = lock(&place);
            kept.reading = None;
            let term = lifetime.of(begun.elapsed());
            if let Ok(read) = &answer {
                kept.value = Some(Value {
                    begun,
                    term,
                    read: Arc::clone(read),
                });
            }
            answer
        });
        let place = Arc::clone(&self.kept);
        let reading = async move {
            match task.await {
                Ok(answer) => answer,
                Err(error) => {
                    lock(&place).reading = None;
                    Err(StoreError::Fault(format!("a reading panicked: {error}")))
                }
            }
        };
        let reading = reading.boxed().shared();
        kept.reading = Some(reading.clone());
        reading
    }
}

fn lock<T>(place: &Mutex<Kept<T>>) -> MutexGuard<'_, Kept<T>> {
    // whole at every moment that something could panic
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Counts readings; each ends when it gets a permit.
    #[derive(Clone)]
    struct Source {
        begun: Arc<AtomicU32>,
        gate: Arc<Semaphore>,
    }

    impl Source {
        fn new(permits: usize) -> Self {
            Self {
                begun: Arc::default(),
                gate: Arc::new(Semaphore::new(permits)),
            }
        }

        fn read(&self) -> impl Future<Output = Result<u32, StoreError>> + Send + 'static {
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&self.gate);
            async move {
                gate.acquire().await.expect("never closed").forget();
                Ok(number)
            }
        }

        fn begun(&self) -> u32 {
            self.begun.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn readers_who_come_at_once_share_one_reading() {
        let (fresh, source) = (Fresh::default(), Source::new(0));
        let readers = join_all((0..100).map(|_| fresh.value(|_| source.read())));
        let release = async { source.gate.add_permits(1) };
        let (values, ()) = tokio::join!(readers, release);
        assert!(values.into_iter().all(|value| *value.unwrap() == 0));
        assert_eq!(source.begun(), 1);
    }

    #[tokio::test]
    async fn a_reader_who_goes_away_stops_nobody_elses_reading() {
        let (fresh, source) = (Fresh::default(), Source::new(0));
        assert!(fresh.value(|_| source.read()).now_or_never().is_none());
        source.gate.add_permits(1);
        assert_eq!(*fresh.value(|_| source.read()).await.unwrap(), 0);
        assert_eq!(source.begun(), 1);
    }

    #[tokio::test]
    async fn a_value_that_is_too_old_is_never_given_again() {
        let (fresh, source) = (Fresh::default(), Source::new(100));
        let first = fresh.value(|_| source.read()).await.unwrap();
        tokio::time::sleep(LIFETIME).await;
        let second = fresh
            .value(|known| {
                assert_eq!(known, Some(first));
                source.read()
            })
            .await;
        assert_eq!(*second.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_does_not_last_is_read_for_each_and_what_lasts_is_shared() {
        let read = async |lifetime| {
            let (fresh, source) = (Fresh::new(Lifetime::Fixed(lifetime)), Source::new(100));
            for _ in 0..3 {
                fresh.value(|_| source.read()).await.unwrap();
            }
            source.begun()
        };
        assert_eq!(read(Duration::ZERO).await, 3);
        assert_eq!(read(Duration::from_secs(3600)).await, 1);
    }

    #[test]
    fn what_is_dear_lasts_and_leaves_the_database_half_of_the_time() {
        let of = |cost: u64| Lifetime::ByCost.of(Duration::from_millis(cost));
        let term = |due, end| Term {
            due: Duration::from_millis(due),
            end: Duration::from_millis(end),
        };
        assert_eq!(of(24), term(0, 0));
        assert_eq!(of(25), term(125, 225));
        assert_eq!(of(400), term(1400, 2400));
        assert_eq!(of(3000), term(6000, 9000));
        for cost in 25..5000 {
            let (cost, term) = (Duration::from_millis(cost), of(cost));
            assert!(
                term.due >= cost * 2,
                "{cost:?}: it rests as long as it works"
            );
            assert!(term.due + cost <= term.end, "{cost:?}: nobody waits");
        }
    }

    #[tokio::test]
    async fn a_reading_that_fails_is_an_error_and_the_next_one_begins_anew() {
        let fresh = Fresh::default();
        let failing = || async { Err::<u32, _>(StoreError::Unavailable("away".to_owned())) };
        let readers = join_all((0..10).map(|_| fresh.value(|_| failing()))).await;
        assert!(readers.iter().all(Result::is_err));
        let panicking = fresh.value(|_| async { std::panic::resume_unwind(Box::new("a fault")) });
        assert!(panicking.await.is_err());
        assert_eq!(*fresh.value(|_| async { Ok(7) }).await.unwrap(), 7);
    }
}
