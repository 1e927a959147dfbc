//! `/api/v1/events`: what happens, told as it happens (server-sent events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! A reader that falls behind the ring, or takes nothing for 20 s, is let go; it comes back with the id of its last message and is told
//! what it missed, or to look at everything again. No reader ever holds up another one, or a probe.

mod description;
mod feed;
mod follow;
mod message;
mod ring;
mod teller;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use crate::metrics::Shed;
use description::Event;
use feed::Seat;
use ring::Next;

pub use feed::{Feed, Handed};
pub use follow::follow;
pub use teller::Teller;

/// How long a stream is silent at the most: proxies cut what is silent for longer than a minute or half of one.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// One stream.
struct Reader {
    feed: Arc<Feed>,
    _seat: Seat,
    position: u64,
    /// What goes out before anything else.
    greeting: Option<Bytes>,
    news: watch::Receiver<u64>,
    packets: Option<broadcast::Receiver<Bytes>>,
}

/// What happens, as it happens
#[utoipa::path(
    get, path = "/events", tag = "events",
    description = "Server-sent events, at most two messages a second, each with an `id`:\n\n\
                   - `beats`: new results, `{\"newest_only\":false,\"beats\":[[target id, ts in µs since 1970, outcome, latency_us or null], …]}`; \
                   a fifth element `1` marks an answer that was slow or lossy. With `newest_only` there were so many that only the newest of \
                   each target is there.\n\
                   - `incident`: `{\"items\":[…]}`, those that opened, changed or ended; where another process probes, \
                   once they are written down: another reason within 10 s.\n\
                   - `overview`: how many enabled targets are `up`, `down`, `unknown`, or `pending` without a result; told when it changes.\n\
                   - `targets`: the list of targets changed, or what is wrong with its file; `revision` differs from any before.\n\
                   - `resync`: something was left out, look at everything again.\n\
                   - `packet`: every result of the target in `packets`, at once, as in its results; without an `id`.\n\n\
                   A comment every 15 s keeps a silent stream open.",
    params(
        ("packets" = Option<String>, Query, description = "the id or name of a target whose every result is told at once"),
        ("last_event_id" = Option<String>, Query, description = "where to go on, for clients that cannot set the header"),
        ("Last-Event-ID" = Option<String>, Header, description = "where to go on; what is not known any more is answered with `resync`"),
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "too many streams, or the database is away: `Retry-After`"),
    ),
)]
pub async fn stream(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let feed = Arc::clone(&state.events);
    let watched = match parameters.text("packets") {
        None => None,
        Some(reference) => {
            let target = state.store.target(reference).await?;
            let unknown = || ApiError::not_found("no target with this id or name");
            Some(target.ok_or_else(unknown)?.id)
        }
    };
    let Some(seat) = feed.seat() else {
        state.metrics.serving.shed(Shed::Events);
        return Err(ApiError::overloaded());
    };
    let id = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or_default());
    let id = id.or_else(|| parameters.text("last_event_id"));
    let found = id.map(|id| feed.ring.find(id));
    let position = found.flatten().unwrap_or_else(|| feed.ring.newest());
    let mut greeting = format!("retry: 2000\nid: {}\n", feed.ring.id(position));
    if found == Some(None) {
        greeting.push_str("event: resync\ndata: {}\n");
    }
    greeting.push('\n');
    let reader = Reader {
        news: feed.ring.watch(),
        packets: watched.map(|target| feed.packets_of(target)),
        greeting: Some(greeting.into()),
        position,
        feed,
        _seat: seat,
    };
    let messages = stream::unfold(reader, |mut reader| async move {
        let message = reader.next().await?;
        Some((Ok::<_, Infallible>(message), reader))
    });
    Ok((
        StatusCode::OK,
        [
            (CONTENT_TYPE.as_str(), "text/event-stream"),
            (CACHE_CONTROL.as_str(), "no-store"),
            // proxies of the kind of nginx gather answers otherwise
            ("x-accel-buffering", "no"),
        ],
        Body::from_stream(messages),
    )
        .into_response())
}

impl Reader {
    /// The next piece of the stream; nothing when it has to end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            self.news.mark_unchanged();
            match self.feed.ring.after(self.position) {
                Next::Message(message) => {
                    self.position += 1;
                    return Some(message);
                }
                Next::Gone => {
                    self.feed.metrics.serving.left_behind.inc();
                    return None;
                }
                Next::Nothing => {}
            }
            tokio::select! {
                () = self.feed.stop.cancelled() => return None,
                changed = self.news.changed() => changed.ok()?,
                packet = packet(&mut self.packets) => return Some(packet),
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b": alive\n\n")),
            }
        }
    }
}

/// The next result of the one target that a reader asked for. Never comes for others.
async fn packet(packets: &mut Option<broadcast::Receiver<Bytes>>) -> Bytes {
    if let Some(packets) = packets {
        loop {
            match packets.recv().await {
                Ok(packet) => return packet,
                // who is slow misses some: they are in the results
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    }
    std::future::pending().await
}
