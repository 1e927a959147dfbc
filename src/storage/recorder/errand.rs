//! What a thread does for the shelf: opens the spool or works on it, and brings back what is to be known of it.

use crate::model::Timestamp;
use crate::storage::spool::{Done, Place, Spool, SpoolError, Work};

/// What the thread hands back. A spool that failed is closed there.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Result<(Spool, Done), SpoolError>,
    pub was_opening: bool,
    pub bytes: u64,
    pub begins: Option<Timestamp>,
    pub deleted: usize,
    pub quarantined: usize,
    pub has_loaded: bool,
    pub has_written: bool,
}

pub fn open(place: &Place) -> Ended {
    let opened = place.open();
    Ended {
        bytes: opened.as_ref().map_or(0, Spool::bytes),
        begins: opened.as_ref().ok().and_then(Spool::begins),
        outcome: opened.map(|spool| (spool, Done::default())),
        was_opening: true,
        deleted: 0,
        quarantined: 0,
        has_loaded: false,
        has_written: false,
    }
}

pub fn perform(mut spool: Spool, work: &Work) -> Ended {
    let done = spool.work(work);
    Ended {
        bytes: spool.bytes(),
        begins: spool.begins(),
        outcome: done.map(|done| (spool, done)),
        was_opening: false,
        deleted: work.delete.len(),
        quarantined: work.quarantine.len(),
        has_loaded: work.load.is_some(),
        has_written: work.writes(),
    }
}
