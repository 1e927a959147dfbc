//! The bounded queue from any thread to the engine thread, and its waking.
//!
//! Promises: never more than its capacity; what does not fit stays with the
//! caller; once closed nothing enters, so that what entered is completed. Leaves
//! out: waiting for room.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::SubmitError;
use crate::request::Request;
use crate::sys;

#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    capacity: usize,
    /// The engine sleeps, or is about to: whoever submits must wake it.
    asleep: AtomicBool,
    attention: AtomicBool,
    event: File,
}

/// What kind of sleep is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// None: there is something the engine has not seen.
    None,
    /// The queue is empty.
    Idle,
    /// The queue holds requests that cannot be taken now.
    Holding,
}

#[derive(Debug)]
struct State {
    requests: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    pub fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            state: Mutex::new(State {
                // Not with its capacity: a ring passes through all of its memory, however little is in it.
                requests: VecDeque::new(),
                closed: false,
            }),
            capacity,
            asleep: AtomicBool::new(false),
            attention: AtomicBool::new(false),
            event: sys::event()?,
        })
    }

    // Nothing that holds the lock can panic halfway, so a poisoned one is sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves as much of the front of `batch` as fits into the queue.
    pub fn submit(&self, batch: &mut Vec<Request>) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SubmitError::Stopped { left: batch.len() });
        }
        let taken = batch.len().min(self.capacity - state.requests.len());
        state.requests.extend(batch.drain(..taken));
        drop(state);
        if taken > 0 {
            self.wake();
        }
        if batch.is_empty() {
            Ok(())
        } else {
            Err(SubmitError::Full { left: batch.len() })
        }
    }

    /// Moves up to `limit` requests to `intake`; true once the queue is closed.
    pub fn take(&self, limit: usize, intake: &mut Vec<Request>) -> bool {
        let mut state = self.lock();
        let taken = limit.min(state.requests.len());
        intake.extend(state.requests.drain(..taken));
        state.closed
    }

    /// Lets nothing enter any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // It can only fail when the counter is full: then it is awake anyway.
            drop((&self.event).write(&1u64.to_ne_bytes()));
        }
    }

    /// Announces that the engine will sleep, and tells what it should know first;
    /// `with_requests` tells whether it can take any.
    pub fn prepare_sleep(&self, with_requests: bool) -> Rest {
        self.asleep.store(true, Ordering::SeqCst);
        let state = self.lock();
        let held = !state.requests.is_empty();
        let unseen = state.closed || (with_requests && held);
        drop(state);
        if unseen || self.attention.load(Ordering::SeqCst) {
            self.asleep.store(false, Ordering::SeqCst);
            return Rest::None;
        }
        if held { Rest::Holding } else { Rest::Idle }
    }

    /// Wakes the engine for something that is not a request.
    pub fn call(&self) {
        self.attention.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether the engine was called since the last time this was asked.
    pub fn called(&self) -> bool {
        self.attention.load(Ordering::Relaxed) && self.attention.swap(false, Ordering::SeqCst)
    }

    /// After sleeping; `signalled` tells whether the event can be read. It must be
    /// read then whoever set it, or no later sleep would last.
    pub fn awake(&self, signalled: bool) {
        self.asleep.store(false, Ordering::SeqCst);
        if signalled {
            drop((&self.event).read(&mut [0; 8]));
        }
    }

    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(count: u64) -> Vec<Request> {
        (0..count)
            .map(|token| Request::new(token, [127, 0, 0, 1].into()))
            .collect()
    }

    #[test]
    fn what_is_queued_keeps_the_engine_awake_only_if_it_can_be_taken() {
        let queue = Queue::new(4).unwrap();
        assert_eq!(queue.prepare_sleep(true), Rest::Idle);
        queue.submit(&mut requests(1)).unwrap();
        assert_eq!(queue.prepare_sleep(true), Rest::None);
        assert_eq!(queue.prepare_sleep(false), Rest::Holding);
        assert!(!queue.take(9, &mut Vec::new()));
        assert_eq!(queue.prepare_sleep(true), Rest::Idle);
        queue.close();
        assert_eq!(queue.prepare_sleep(false), Rest::None);
        assert!(queue.take(9, &mut Vec::new()));
    }

    #[test]
    fn a_call_is_heard_once_and_before_sleep() {
        let queue = Queue::new(4).unwrap();
        assert!(!queue.called());
        queue.call();
        assert_eq!(queue.prepare_sleep(true), Rest::None);
        assert!(queue.called());
        assert!(!queue.called());
        assert_eq!(queue.prepare_sleep(true), Rest::Idle);
    }

    #[test]
    fn what_does_not_fit_stays_in_order() {
        let queue = Queue::new(4).unwrap();
        let mut batch = requests(6);
        assert_eq!(queue.submit(&mut batch), Err(SubmitError::Full { left: 2 }));
        assert_eq!(
            batch.iter().map(|one| one.token).collect::<Vec<_>>(),
            [4, 5]
        );
        let mut taken = Vec::new();
        queue.take(3, &mut taken);
        assert_eq!(
            taken.iter().map(|one| one.token).collect::<Vec<_>>(),
            [0, 1, 2]
        );
    }
}
