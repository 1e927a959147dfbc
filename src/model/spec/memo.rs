//! What was made of texts, remembered while there are few of them.
//!
//! A hundred thousand targets may share one pattern, or have one each: made once for each target it would take gigabytes, made at each
//! use it would take longer than the probe. So the last few are kept for all. When there is no room one of them goes, whichever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Of one kind of thing; cloning one must be cheap.
#[derive(Debug)]
pub(super) struct Memo<T> {
    known: Mutex<Option<HashMap<Box<str>, T>>>,
    most: usize,
}

impl<T: Clone> Memo<T> {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            known: Mutex::new(None),
            most,
        }
    }

    /// What was made of `text`, or is made now. What could not be made is not remembered.
    pub(super) fn of<E>(
        &self,
        text: &str,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get_or_insert_default().get(text) {
            return Ok(found.clone());
        }
        // not under the lock: it may take milliseconds
        let made = make(text)?;
        let mut known = lock();
        let known = known.get_or_insert_default();
        if known.len() >= self.most
            && let Some(any) = known.keys().next().cloned()
        {
            known.remove(&any);
        }
        known.insert(text.into(), made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_made_again_and_room_is_bounded() {
        let memo = Memo::new(3);
        let make = |text: &str| memo.of(text, str::parse::<u32>);
        assert_eq!(make("1"), Ok(1));
        assert_eq!(memo.of("1", |_| Err(())), Ok(1));
        assert!(make("x").is_err());
        for number in 0..100 {
            assert_eq!(make(&number.to_string()), Ok(number));
            assert!(memo.known.lock().unwrap().as_ref().unwrap().len() <= 3);
        }
    }
}
