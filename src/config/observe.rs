//! Asks the system to tell of changes in the folders where a file and what it links to live.
//!
//! A watch on the file itself would be blind after the first atomic replacement and to the link swap of a Kubernetes volume. Only files
//! that appear, go or are closed after writing are asked for: a database that lives in the same folder is written a thousand times a
//! second (inotify(7)). What is heard is only a reason to look. Where nothing can be heard, a warning says so and the slow poll remains.

use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchMask};

/// Room for some thirty events; more are read in several turns.
const BUFFER: usize = 4096;

/// Hears of changes as long as it lives.
pub struct Ear {
    events: EventStream<[u8; BUFFER]>,
    /// The names that matter in the folders.
    names: Vec<OsString>,
}

/// Listens for changes of the file at `path`.
pub fn listen(path: &Path) -> Option<Ear> {
    let places = places(path);
    let names = places.iter().filter_map(|place| place.file_name());
    let names = names.map(OsStr::to_owned).collect();
    let inotify = Inotify::init().map_err(|error| warn(path, &error)).ok()?;
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MOVE
        | WatchMask::ONLYDIR;
    for place in &places {
        if let Err(error) = inotify.watches().add(folder(place), mask) {
            warn(folder(place), &error);
        }
    }
    let events = inotify.into_event_stream([0; BUFFER]);
    let events = events.map_err(|error| warn(path, &error)).ok()?;
    Some(Ear { events, names })
}

/// Waits until the file may have changed; for ever where nothing can be heard.
pub async fn heard(ear: &mut Option<Ear>) {
    while let Some(Ear { events, names }) = ear {
        match events.next().await {
            Some(Ok(event)) if !matters(&event, names) => {}
            // an error may have swallowed an event
            Some(_) => return,
            None => *ear = None,
        }
    }
    pending::<()>().await;
}

fn warn(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "cannot watch for changes of the targets file; it is still read every few seconds");
}

/// The file, and what it finally links to.
fn places(path: &Path) -> Vec<PathBuf> {
    let mut places = vec![path.to_owned()];
    places.extend(path.canonicalize().ok().filter(|real| real != path));
    places
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn matters(event: &Event<OsString>, names: &[OsString]) -> bool {
    event.mask.contains(EventMask::Q_OVERFLOW)
        || event.name.as_ref().is_none_or(|name| {
            // Kubernetes swaps the link `..data`
            names.contains(name) || name.as_encoded_bytes().starts_with(b"..")
        })
}
