//! Watches the targets file, and tells the app of each new content that can be applied, or why one cannot.
//!
//! Promises that only a change of content is an event, that each wrong content is told once, and that nothing half-written is applied:
//! a content counts when two readings [`Pace::settle`] apart agree. A file that suddenly says nothing of targets is refused, because it
//! is most likely an editor caught in the middle of saving. Leaves out applying: what was loaded last stays until the app acts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::content::{Content, Fingerprint};
use super::file::{self, Loaded};
use super::file_error::FileError;
use super::observe;
use crate::model::{Timestamp, micros};

/// What became of a changed file.
#[derive(Debug)]
pub enum Reload {
    /// The new content is good: apply it.
    Reloaded(Loaded),
    /// The new content is wrong, or there is none: what was loaded last stays.
    Rejected(Arc<FileError>),
}

/// The file as the dashboard and the metrics show it.
#[derive(Debug, Clone)]
pub struct FileState {
    pub path: PathBuf,
    /// When the last good content was loaded.
    pub loaded_at: Timestamp,
    /// Of the last good content.
    pub fingerprint: Fingerprint,
    /// How many targets the last good content declares.
    pub targets: usize,
    /// What is wrong with the file as it is now.
    pub rejected: Option<Arc<FileError>>,
}

/// A watched file.
#[derive(Debug)]
pub struct Watch {
    /// Holds one event. While the app is busy with another the file is not read, so that afterwards only its newest content counts.
    /// Ends when the watch is cancelled.
    pub events: mpsc::Receiver<Reload>,
    pub state: watch::Receiver<FileState>,
}

/// How often and how patiently the file is looked at.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long a content must stay the same before it counts.
    settle: Duration,
    /// How often the file is read although nothing was heard: NFS and bind mounts tell nothing.
    poll: Duration,
    /// Whether the system is asked to tell of changes.
    listens: bool,
}

const PACE: Pace = Pace {
    settle: Duration::from_millis(300),
    poll: Duration::from_secs(5),
    listens: true,
};

/// A content that changes this often while it is read is left to the next look.
const MAX_READINGS: usize = 20;

/// Watches the file at `path`, of which `loaded` is the content that is in use. Also looks at it on SIGHUP, which from here on no
/// longer ends the process. Must be called within a tokio runtime.
pub fn watch(path: &Path, loaded: &Loaded, cancel: CancellationToken) -> Watch {
    watch_at(PACE, path, loaded, cancel)
}

fn watch_at(pace: Pace, path: &Path, loaded: &Loaded, cancel: CancellationToken) -> Watch {
    let (events, receiver) = mpsc::channel(1);
    let state = FileState {
        path: path.to_owned(),
        loaded_at: now(),
        fingerprint: loaded.fingerprint,
        targets: loaded.declared.len(),
        rejected: None,
    };
    let (state, shared) = watch::channel(state);
    // before the task runs, so that no signal is missed after this returns
    let hangup = signal(SignalKind::hangup());
    if let Err(error) = &hangup {
        tracing::warn!(%error, "cannot listen for SIGHUP; the targets file is still re-read when it changes");
    }
    let watcher = Watcher {
        pace,
        path: path.to_owned(),
        seen: Mark::Content(loaded.fingerprint),
        events,
        state,
    };
    tokio::spawn(watcher.run(hangup.ok(), cancel));
    Watch {
        events: receiver,
        state: shared,
    }
}

struct Watcher {
    pace: Pace,
    path: PathBuf,
    /// What was told last.
    seen: Mark,
    events: mpsc::Sender<Reload>,
    state: watch::Sender<FileState>,
}

/// Tells one state of the file from another.
#[derive(Debug, PartialEq, Eq)]
enum Mark {
    Content(Fingerprint),
    Unreadable(String),
}

type Reading = Result<Content, FileError>;

impl Watcher {
    async fn run(mut self, mut hangup: Option<Signal>, cancel: CancellationToken) {
        let mut ear = self
            .pace
            .listens
            .then(|| observe::listen(&self.path))
            .flatten();
        let mut poll = tokio::time::interval(self.pace.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let told = async {
            loop {
                tokio::select! {
                    () = observe::heard(&mut ear) => {}
                    () = received(&mut hangup) => tracing::info!(file = %self.path.display(), "SIGHUP: looking at the targets file"),
                    // the first tick is at once: the file may have changed since it was loaded
                    _ = poll.tick() => {}
                }
                if let Some(reading) = self.settled().await
                    && self.tell(reading).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = told => {}
        }
    }

    /// A reading that says something new and does not change any more.
    async fn settled(&self) -> Option<Reading> {
        let mut reading = read(&self.path).await;
        for _ in 0..MAX_READINGS {
            if mark(&reading) == self.seen {
                return None;
            }
            tokio::time::sleep(self.pace.settle).await;
            let again = read(&self.path).await;
            if mark(&again) == mark(&reading) {
                return Some(again);
            }
            reading = again;
        }
        None
    }

    /// Fails when nobody listens any more.
    async fn tell(&mut self, reading: Reading) -> Result<(), mpsc::error::SendError<Reload>> {
        self.seen = mark(&reading);
        let targets = self.state.borrow().targets;
        let event = match judged(reading, targets).await {
            Ok(loaded) => {
                self.state.send_modify(|state| {
                    state.loaded_at = now();
                    state.fingerprint = loaded.fingerprint;
                    state.targets = loaded.declared.len();
                    state.rejected = None;
                });
                Reload::Reloaded(loaded)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.state
                    .send_modify(|state| state.rejected = Some(Arc::clone(&error)));
                Reload::Rejected(error)
            }
        };
        self.events.send(event).await
    }
}

/// Never, without a signal to wait for.
async fn received(hangup: &mut Option<Signal>) {
    let heard = match hangup {
        Some(hangup) => hangup.recv().await.is_some(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}

async fn read(path: &Path) -> Reading {
    let file = path.to_owned();
    off_the_runtime(path, move || Content::read(&file)).await
}

/// The content as targets, if it is good and does not take away all `before` targets without a word.
async fn judged(reading: Reading, before: usize) -> Result<Loaded, FileError> {
    let content = reading?;
    let path = PathBuf::from(&content.file);
    off_the_runtime(&path, move || {
        let loaded = file::parse(&content)?;
        if loaded.empty && before > 0 {
            Err(file::suddenly_empty(&content, before))
        } else {
            Ok(loaded)
        }
    })
    .await
}

/// A disk may hang, and a hundred thousand targets take a second.
async fn off_the_runtime<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let message = format!("reading the file was interrupted: {error}");
        Err(FileError::refused(
            path,
            &message,
            "this is a fault of Pingu: please report it",
        ))
    })
}

fn mark(reading: &Reading) -> Mark {
    match reading {
        Ok(content) => Mark::Content(content.fingerprint),
        Err(error) => Mark::Unreadable(error.to_string()),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(micros(since))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::file::load_file;
    use super::*;

    /// Long enough for any loaded machine; a test that passes never waits for it.
    const DEADLINE: Duration = Duration::from_secs(60);
    const NEVER: Duration = Duration::from_secs(86_400);
    const LISTENING: Pace = Pace {
        settle: Duration::from_millis(20),
        poll: NEVER,
        listens: true,
    };
    const POLLING: Pace = Pace {
        settle: Duration::from_millis(20),
        poll: Duration::from_millis(20),
        listens: false,
    };

    fn names(loaded: Loaded) -> Vec<String> {
        loaded
            .declared
            .into_iter()
            .map(|declared| declared.spec.name)
            .collect()
    }

    struct Scene {
        folder: tempfile::TempDir,
        path: PathBuf,
        watch: Watch,
        cancel: CancellationToken,
    }

    fn targets(names: &[&str]) -> String {
        let items: Vec<_> = names
            .iter()
            .map(|name| format!("- {{name: {name}, type: icmp, host: \"::1\"}}\n"))
            .collect();
        format!("targets:\n{}", items.concat())
    }

    fn scene(pace: Pace) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("targets.yaml");
        fs::write(&path, targets(&["a"])).unwrap();
        Scene::of(pace, folder, path)
    }

    impl Scene {
        fn of(pace: Pace, folder: tempfile::TempDir, path: PathBuf) -> Self {
            let cancel = CancellationToken::new();
            let watch = watch_at(pace, &path, &load_file(&path).unwrap(), cancel.clone());
            Self {
                folder,
                path,
                watch,
                cancel,
            }
        }

        /// As most editors and every careful program do it.
        fn replace(&self, text: &str) {
            let beside = self.folder.path().join(".targets.yaml.new");
            fs::write(&beside, text).unwrap();
            fs::rename(&beside, &self.path).unwrap();
        }

        async fn event(&mut self) -> Reload {
            tokio::time::timeout(DEADLINE, self.watch.events.recv())
                .await
                .expect("no event in time")
                .expect("the watch ended")
        }

        async fn reloaded(&mut self) -> Vec<String> {
            match self.event().await {
                Reload::Reloaded(loaded) => names(loaded),
                Reload::Rejected(error) => panic!("rejected: {error}"),
            }
        }

        /// A write in place empties the file first, which a reader may see.
        async fn reloaded_at_last(&mut self) -> Vec<String> {
            loop {
                if let Reload::Reloaded(loaded) = self.event().await {
                    return names(loaded);
                }
            }
        }

        async fn rejected(&mut self) -> String {
            match self.event().await {
                Reload::Rejected(error) => error.to_string(),
                Reload::Reloaded(loaded) => panic!("reloaded: {loaded:?}"),
            }
        }
    }

    /// The watcher may not have begun to listen yet: its first look at the file comes after that.
    async fn begun(scene: &mut Scene) {
        scene.replace(&targets(&["begun"]));
        assert_eq!(scene.reloaded().await, ["begun"]);
    }

    #[tokio::test]
    async fn an_atomic_replacement_is_seen_again_and_again() {
        let mut scene = scene(LISTENING);
        begun(&mut scene).await;
        for name in ["b", "c", "d"] {
            scene.replace(&targets(&[name]));
            assert_eq!(scene.reloaded().await, [name]);
        }
    }

    #[tokio::test]
    async fn a_write_in_place_is_seen() {
        let mut scene = scene(LISTENING);
        begun(&mut scene).await;
        fs::write(&scene.path, targets(&["b", "c"])).unwrap();
        assert_eq!(scene.reloaded_at_last().await, ["b", "c"]);
    }

    #[tokio::test]
    async fn polling_alone_sees_every_change() {
        let mut scene = scene(POLLING);
        scene.replace(&targets(&["b"]));
        assert_eq!(scene.reloaded().await, ["b"]);
        fs::write(&scene.path, targets(&["c"])).unwrap();
        assert_eq!(scene.reloaded_at_last().await, ["c"]);
    }

    #[tokio::test]
    async fn sighup_alone_sees_every_change() {
        let mut scene = scene(Pace {
            listens: false,
            ..LISTENING
        });
        begun(&mut scene).await;
        scene.replace(&targets(&["b"]));
        let pid = std::process::id().to_string();
        let sent = std::process::Command::new("sh")
            .args(["-c", &format!("kill -HUP {pid}")])
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(scene.reloaded().await, ["b"]);
    }

    #[tokio::test]
    async fn a_bad_file_changes_nothing_and_is_told_once() {
        let mut scene = scene(POLLING);
        scene.replace("targets: [");
        assert!(scene.rejected().await.contains("targets.yaml:1:"));
        {
            let state = scene.watch.state.borrow();
            assert_eq!(state.targets, 1);
            let problems = state
                .rejected
                .as_ref()
                .expect("the state tells of it")
                .problems()
                .to_vec();
            assert_eq!(problems[0].place.map(|place| place.line), Some(1));
        }
        // the same content in another file is no event, so the next one is of the next content
        scene.replace("targets: [");
        scene.replace("targets: {");
        assert!(scene.rejected().await.contains("targets.yaml:1:"));
        scene.replace(&targets(&["a"]));
        assert_eq!(scene.reloaded().await, ["a"]);
        assert!(scene.watch.state.borrow().rejected.is_none());
    }

    #[tokio::test]
    async fn unchanged_content_is_no_event() {
        let mut scene = scene(LISTENING);
        begun(&mut scene).await;
        scene.replace(&targets(&["begun"]));
        scene.replace(&targets(&["begun"]));
        scene.replace(&targets(&["b"]));
        assert_eq!(scene.reloaded().await, ["b"]);
    }

    #[tokio::test]
    async fn a_file_that_is_suddenly_empty_is_refused_but_an_empty_list_is_meant() {
        let mut scene = scene(LISTENING);
        begun(&mut scene).await;
        for text in ["", "# nothing\n", "targets:\n", "defaults: {}\n"] {
            scene.replace(text);
            let told = scene.rejected().await;
            assert!(told.contains("`targets: []`"), "{told}");
        }
        scene.replace("targets: []");
        assert_eq!(scene.reloaded().await, Vec::<String>::new());
        scene.replace("# nothing was there, and nothing is\n");
        assert_eq!(scene.reloaded().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_deleted_file_is_told_once_and_may_come_back() {
        let mut scene = scene(POLLING);
        fs::remove_file(&scene.path).unwrap();
        assert!(scene.rejected().await.contains("there is no such file"));
        scene.replace(&targets(&["b"]));
        assert_eq!(scene.reloaded().await, ["b"]);
    }

    #[tokio::test]
    async fn the_links_of_a_kubernetes_volume_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let publish = |version: &str, names: &[&str]| {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("targets.yaml"), targets(names)).unwrap();
            symlink(version, root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        };
        publish("..1", &["a"]);
        let path = root.join("targets.yaml");
        symlink("..data/targets.yaml", &path).unwrap();
        let mut scene = Scene::of(LISTENING, folder, path);
        for (version, name) in [("..2", "b"), ("..3", "c")] {
            publish(version, &[name]);
            assert_eq!(scene.reloaded().await, [name]);
        }
    }

    #[tokio::test]
    async fn a_link_into_another_folder_is_followed() {
        let elsewhere = tempfile::tempdir().unwrap();
        let real = elsewhere.path().join("mine.yaml");
        fs::write(&real, targets(&["a"])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("targets.yaml");
        symlink(&real, &path).unwrap();
        let mut scene = Scene::of(LISTENING, folder, path);
        for name in ["b", "c"] {
            fs::write(&real, targets(&[name])).unwrap();
            assert_eq!(scene.reloaded_at_last().await, [name]);
        }
    }

    #[tokio::test]
    async fn cancelling_ends_the_watch() {
        let mut scene = scene(LISTENING);
        scene.cancel.cancel();
        let end = tokio::time::timeout(DEADLINE, scene.watch.events.recv())
            .await
            .unwrap();
        assert!(end.is_none());
    }
}
