//! The half that probes: from the targets file to stored results, and their roll-ups.

use std::sync::Arc;

use anyhow::Context;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::site::{Site, told};
use crate::api::about::{FileProblem, Probing, Retention, TargetsFile};
use crate::api::events::Feed;
use crate::config::{self, DatabaseUrl, FileState, Loaded, Settings};
use crate::incident::{Book, Change, What};
use crate::metrics::Metrics;
use crate::pipeline;
use crate::probe::Clients;
use crate::probe::http::Roots;
use crate::probe::icmp::IcmpProber;
use crate::probe::resolve::Resolver;
use crate::probe::threads::Threads;
use crate::scheduler::{AtOnce, Dispatch, Finished, Scheduler};
use crate::storage::incident::clerk::Clerk;
use crate::storage::recorder::{self, Pace, Recorder};
use crate::storage::retention::{self, Keep};
use crate::storage::spool::Place;
use crate::storage::{Identities, StoreError, rollup};
use crate::sync::Syncer;

/// Descriptors that are never left to probes: sockets, database, and connections of readers.
const OWN_DESCRIPTORS: usize = 48;

/// The running half.
pub struct Poller {
    scheduler: Arc<Scheduler>,
    dispatch: Arc<Dispatch>,
    following: JoinHandle<Result<(), StoreError>>,
    deciding: JoinHandle<()>,
    recording: JoinHandle<()>,
    writing: JoinHandle<()>,
    /// Fires when no result will come any more.
    decided: CancellationToken,
    rolling: JoinHandle<()>,
    retaining: JoinHandle<()>,
    file: File,
}

/// The targets file as it is now, and why the database does not take it where it does not.
#[derive(Clone)]
struct File {
    state: watch::Receiver<FileState>,
    refusal: watch::Receiver<Option<String>>,
}

impl Poller {
    /// Probes the targets of `loaded`, and those of each later version of the file, from the moment that the database knows them.
    pub async fn start(
        site: &Site,
        settings: &Settings,
        loaded: Loaded,
    ) -> Result<Self, StartError> {
        let (clock, metrics) = (site.clock, Arc::clone(&site.metrics));
        let (to_recorder, recorded) = mpsc::channel(recorder::BATCH);
        let (to_pipeline, finished) = mpsc::channel(pipeline::QUEUE);
        let place = Place {
            path: settings.spool_path.clone(),
            max_bytes: settings.spool_max_bytes,
            location: settings.location.clone(),
        };
        let recorder = Recorder {
            store: site.store(),
            metrics: Arc::clone(&metrics),
            spool: recorder::open_spool(&place)?,
            place,
            pace: Pace::default(),
        };
        let recording = tokio::spawn(recorder.run(recorded));
        let book = Arc::new(Book::default());
        book.follow(counting(&metrics));
        book.follow(telling(&site.events));
        let events = Arc::clone(&site.events);
        let shown = move |batch: &[Finished]| events.results(batch.iter().map(|it| &it.result));
        let deciding = pipeline::run(finished, Arc::clone(&book), to_recorder, shown);
        let deciding = tokio::spawn(deciding);

        let resolver = Resolver::new();
        let dispatch = Arc::new(Dispatch::new(
            clock,
            Arc::clone(&metrics),
            Threads::start().context("starting the threads of probes")?,
            Clients::new(&resolver, &Roots::of_this_machine()),
            fitting_probes(settings),
            to_pipeline,
            |sink| {
                let prober = IcmpProber::start(resolver, settings.icmp_max_pps, sink);
                site.metrics.count_echoes(prober.stats());
                prober
            },
        ));
        let launcher = Arc::clone(&dispatch);
        let launch = move |due: &mut Vec<_>| launcher.launch(due);
        let scheduler = Scheduler::start(clock, Arc::clone(&metrics), launch)
            .context("starting the scheduler")?;
        let scheduler = Arc::new(scheduler);

        let syncer = Syncer {
            store: site.store(),
            scheduler: Arc::clone(&scheduler),
            incidents: Arc::clone(&book),
            clock,
            metrics: Arc::clone(&metrics),
            identities: identities(settings),
            changes: site.events.revision(),
            refusal: watch::Sender::default(),
        };
        let waiting = match syncer.apply(&loaded).await {
            Ok(()) => None,
            Err(StoreError::Unavailable(_)) => {
                syncer.recall(&loaded).await;
                Some(loaded.clone())
            }
            Err(error) => return Err(error.into()),
        };
        let clerk = Clerk {
            store: site.store(),
            book,
            metrics,
            location: settings.location.clone(),
        };
        let decided = CancellationToken::new();
        let writing = tokio::spawn(clerk.run(move || clock.now(), decided.clone()));
        let watch = config::watch(&settings.targets_path, &loaded, site.stop.clone());
        let file = File {
            state: watch.state.clone(),
            refusal: syncer.refusal.subscribe(),
        };
        let following = tokio::spawn(syncer.follow(waiting, watch));
        let rolling = rollup::run(site.store(), move || clock.now(), site.stop.clone());
        let keep = Keep {
            raw: settings.retention_days,
            five_minutes: settings.rollup_5m_retention_days,
            hours: settings.rollup_1h_retention_days,
        };
        let counted = Arc::clone(&site.metrics);
        let stop = site.stop.clone();
        let retaining = retention::run(site.store(), counted, keep, move || clock.now(), stop);
        Ok(Self {
            scheduler,
            dispatch,
            following,
            deciding,
            recording,
            writing,
            decided,
            rolling: tokio::spawn(site.once_reached(rolling)),
            retaining: tokio::spawn(site.once_reached(retaining)),
            file,
        })
    }

    /// Whether the scheduler looks at its timetable.
    pub fn pulse(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let watched = Arc::downgrade(&self.scheduler);
        move || watched.upgrade().is_some_and(|it| !it.is_stuck())
    }

    /// What `/about` tells of this half.
    pub fn probing(&self, settings: &Settings) -> Probing {
        let file = self.file.clone();
        Probing {
            location: settings.location.clone(),
            retention: Retention {
                results_days: settings.retention_days,
                rollup_5m_days: settings.rollup_5m_retention_days,
                rollup_1h_days: settings.rollup_1h_retention_days,
            },
            spool_max_bytes: settings.spool_max_bytes,
            targets_file: Box::new(move || file.shown()),
        }
    }

    /// Says why the file of the start cannot be applied after all. Never ends if it can.
    pub async fn failed(&mut self) -> StoreError {
        match (&mut self.following).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => std::future::pending().await,
        }
    }

    /// Ends in the order of a result's way, so that each part leaves nothing behind for the next. The site's `stop` has fired.
    pub async fn stop(self) {
        tracing::info!("stopping: waiting for probes that are under way");
        self.scheduler.stop();
        self.following.abort();
        self.dispatch.finish().await;
        drop((self.dispatch, self.scheduler));
        told(self.deciding.await);
        self.decided.cancel();
        for part in [self.recording, self.writing, self.rolling, self.retaining] {
            told(part.await);
        }
    }
}

impl File {
    fn shown(&self) -> TargetsFile {
        let state = self.state.borrow();
        let rejected = state.rejected.as_ref();
        let mut problems: Vec<FileProblem> = rejected
            .iter()
            .flat_map(|error| error.problems())
            .map(|problem| FileProblem {
                line: problem.place.map(|place| place.line),
                column: problem.place.map(|place| place.column),
                message: problem.message.clone(),
                hint: problem.hint.clone(),
                source: problem.excerpt.as_ref().map(|it| it.text.clone()),
            })
            .collect();
        if let (None, Some(reason)) = (rejected, self.refusal.borrow().as_ref()) {
            problems.push(FileProblem {
                line: None,
                column: None,
                message: reason.clone(),
                hint: None,
                source: None,
            });
        }
        TargetsFile {
            path: state.path.display().to_string(),
            loaded_at: state.loaded_at,
            problems,
            omitted: rejected.map_or(0, |error| error.omitted()),
        }
    }
}

fn counting(metrics: &Arc<Metrics>) -> Box<dyn Fn(&Change<'_>) + Send + Sync> {
    let metrics = Arc::clone(metrics);
    Box::new(move |change| match (change.what, change.incident.ended) {
        (What::Opened, _) => drop(metrics.incidents_opened.inc()),
        (_, Some(ended)) => drop(metrics.incidents_ended(ended.by).inc()),
        _ => {}
    })
}

/// Readers of events hear of incidents as they happen.
fn telling(events: &Arc<Feed>) -> Box<dyn Fn(&Change<'_>) + Send + Sync> {
    let events = Arc::clone(events);
    Box::new(move |change| events.incident(&change.incident))
}

/// Only a server can be away while Pingu starts.
fn identities(settings: &Settings) -> Option<Identities> {
    match &settings.database {
        DatabaseUrl::Sqlite(_) => None,
        url @ DatabaseUrl::Postgres(_) => {
            Some(Identities::beside(&settings.spool_path, url.to_string()))
        }
    }
}

/// How many probes of each type fit beside everything else: what is wanted, or the same share of each.
fn fitting_probes(settings: &Settings) -> AtOnce {
    let descriptors = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
    let wanted = settings.probes_at_once();
    let fitting = (descriptors.saturating_sub(OWN_DESCRIPTORS) / 2).max(1);
    if fitting < wanted {
        tracing::warn!(
            descriptors,
            "HTTP_CONCURRENCY, TCP_CONCURRENCY, DNS_CONCURRENCY and TLS_CONCURRENCY are {wanted} together, but so few open files are allowed (ulimit -n) that {fitting} probes at once are safe"
        );
    }
    let share = |of: usize| (of * fitting.min(wanted) / wanted).max(1);
    AtOnce {
        http: share(settings.http_concurrency),
        tcp: share(settings.tcp_concurrency),
        dns: share(settings.dns_concurrency),
        tls: share(settings.tls_concurrency),
    }
}
