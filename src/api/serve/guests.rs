//! Who is connected, and who has to go when there is no room.
//!
//! A newcomer is never kept out by connections that do nothing: when all places are taken, the one goes that has been idle for longest.
//! Idle is whoever has no request under way, also one that sends its headers drop by drop. Answers that lie unread are bounded too:
//! beyond that the one goes that has not been read for longest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use slab::Slab;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The bytes of answers that may lie unread, over all connections. The list of 10,000 targets has 3 MB.
const UNREAD: usize = 256 << 20;

/// All connections.
#[derive(Debug)]
pub struct Guests {
    hall: Mutex<Hall>,
    limit: usize,
    metrics: Arc<Metrics>,
    /// Whenever somebody left.
    left: Notify,
}

#[derive(Debug, Default)]
struct Hall {
    guests: Slab<Guest>,
    unread: usize,
}

#[derive(Debug)]
struct Guest {
    doing: Doing,
    leave: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// No request is under way since then.
    Nothing(Instant),
    /// A handler works, or a stream goes on.
    Asking,
    /// So many bytes of an answer have been there since then.
    Reading(Instant, usize),
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    guests: Arc<Guests>,
    key: usize,
    /// Fires when the connection has to end.
    pub leave: CancellationToken,
}

impl Guests {
    pub fn new(limit: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            hall: Mutex::default(),
            limit,
            metrics,
            left: Notify::new(),
        })
    }

    /// Waits for a place, and makes the one leave that is idle for longest if there is none.
    pub async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let left = self.left.notified();
            {
                let mut hall = self.hall();
                if hall.guests.len() < self.limit {
                    return self.seat(&mut hall);
                }
                // one leaves for one who comes
                if !hall
                    .guests
                    .iter()
                    .any(|(_, guest)| guest.leave.is_cancelled())
                {
                    hall.dismiss(&self.metrics, |doing| match doing {
                        Doing::Nothing(since) => Some(since),
                        Doing::Asking | Doing::Reading(..) => None,
                    });
                }
            }
            left.await;
        }
    }

    fn seat(self: &Arc<Self>, hall: &mut Hall) -> Place {
        let leave = CancellationToken::new();
        let key = hall.guests.insert(Guest {
            doing: Doing::Nothing(Instant::now()),
            leave: leave.clone(),
        });
        self.metrics.serving.connections.inc();
        Place {
            guests: Arc::clone(self),
            key,
            leave,
        }
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        // nothing in here can be half done
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hall {
    /// Asks the one to leave for whom `since` gives the earliest moment.
    fn dismiss(&mut self, metrics: &Metrics, since: impl Fn(Doing) -> Option<Instant>) {
        let timed = self.guests.iter().filter_map(|(key, guest)| {
            let since = since(guest.doing)?;
            (!guest.leave.is_cancelled()).then_some((since, key))
        });
        if let Some((_, key)) = timed.min() {
            self.guests[key].leave.cancel();
            // what it did not read goes with it
            self.change(key, Doing::Asking);
            metrics.serving.evicted.inc();
        }
    }

    fn change(&mut self, key: usize, doing: Doing) {
        let Some(guest) = self.guests.get_mut(key) else {
            return;
        };
        let before = std::mem::replace(&mut guest.doing, doing);
        for (doing, sign) in [(before, -1), (doing, 1)] {
            if let Doing::Reading(_, bytes) = doing {
                self.unread = self.unread.saturating_add_signed(sign * bytes as isize);
            }
        }
    }
}

impl Place {
    /// A request is under way.
    pub fn asks(&self) {
        self.guests.hall().change(self.key, Doing::Asking);
    }

    /// So many more bytes of its answer wait to be read.
    pub fn reads(&self, bytes: usize) {
        let mut hall = self.guests.hall();
        let now = Instant::now();
        let (since, before) = match hall.guests.get(self.key).map(|guest| guest.doing) {
            Some(Doing::Reading(since, before)) => (since, before),
            _ => (now, 0),
        };
        hall.change(self.key, Doing::Reading(since, before + bytes));
        if hall.unread > UNREAD {
            hall.dismiss(&self.guests.metrics, |doing| match doing {
                Doing::Reading(since, _) => Some(since),
                Doing::Asking | Doing::Nothing(_) => None,
            });
        }
    }

    /// Its answer has gone out.
    pub fn rests(&self) {
        let doing = Doing::Nothing(Instant::now());
        self.guests.hall().change(self.key, doing);
        // whoever waits at the door may take its place now
        self.guests.left.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hall = self.guests.hall();
        hall.change(self.key, Doing::Asking);
        hall.guests.try_remove(self.key);
        drop(hall);
        self.guests.metrics.serving.connections.dec();
        self.guests.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn guests(limit: usize) -> Arc<Guests> {
        Guests::new(limit, Metrics::new())
    }

    fn enter(guests: &Arc<Guests>) -> Place {
        guests.enter().now_or_never().expect("there is room")
    }

    #[tokio::test]
    async fn the_longest_idle_goes_when_there_is_no_room() {
        let guests = guests(3);
        let (busy, old, young) = (enter(&guests), enter(&guests), enter(&guests));
        busy.asks();
        young.asks();
        young.rests();
        let mut newcomer = Box::pin(guests.enter());
        assert!(newcomer.as_mut().now_or_never().is_none());
        let asked = [&busy, &old, &young].map(|place| place.leave.is_cancelled());
        assert_eq!(asked, [false, true, false]);
        drop(old);
        let entered = tokio::time::timeout(Duration::from_secs(60), newcomer).await;
        assert!(!entered.expect("a place is free").leave.is_cancelled());
    }

    #[tokio::test]
    async fn answers_that_lie_unread_make_their_readers_go_the_oldest_first() {
        let guests = guests(3);
        let (first, second, third) = (enter(&guests), enter(&guests), enter(&guests));
        first.reads(UNREAD / 2);
        second.reads(UNREAD / 2);
        assert!(!first.leave.is_cancelled());
        third.reads(1);
        let asked = [&first, &second, &third].map(|place| place.leave.is_cancelled());
        assert_eq!(asked, [true, false, false]);
        drop((first, second, third));
        assert_eq!(guests.hall().unread, 0);
    }
}
