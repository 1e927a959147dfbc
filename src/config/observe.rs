//! Asks the system to tell of changes in the folders where a file and what it links to live.
//!
//! A watch on the file itself would be blind after the first atomic replacement and to the link swap of a Kubernetes volume. What is
//! heard is only a reason to look. Where nothing can be heard, a warning says so and the slow poll remains.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Wakes `changed` when the file at `path` may have changed, as long as the result lives.
pub fn changes(path: &Path, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let places = places(path);
    let names: Vec<OsString> = places
        .iter()
        .filter_map(|place| place.file_name().map(OsString::from))
        .collect();
    let wake = Arc::clone(changed);
    let heard = move |event: notify::Result<Event>| {
        // an error may have swallowed an event
        if event.map_or(true, |event| matters(&event, &names)) {
            wake.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(heard)
        .map_err(|error| warn(path, &error))
        .ok()?;
    for place in &places {
        if let Err(error) = watcher.watch(folder(place), RecursiveMode::NonRecursive) {
            warn(folder(place), &error);
        }
    }
    Some(watcher)
}

fn warn(path: &Path, error: &notify::Error) {
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

/// The database often lives in the same folder and is written all the time; reading is an event as well, also our own.
fn matters(event: &Event, names: &[OsString]) -> bool {
    let is_change = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let is_ours = |path: &PathBuf| {
        path.file_name().is_none_or(|name| {
            // Kubernetes swaps the link `..data`
            names.iter().any(|own| own == name) || name.as_encoded_bytes().starts_with(b"..")
        })
    };
    event.need_rescan()
        || (is_change && (event.paths.is_empty() || event.paths.iter().any(is_ours)))
}
