//! The listener: bounded connections, bounded headers, and an end that waits for nobody too long.

mod answer;
mod guests;
mod link;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use answer::Answer;
use guests::{Guests, Place};
use link::{Link, Talk};

/// Connections at once, and the most of the descriptors that they may take.
const CONNECTIONS: usize = 4096;
const SHARE_OF_DESCRIPTORS: usize = 4;
/// How long an answer may lie unread: a client that does not take it is gone, or wants to keep us busy (`TCP_USER_TIMEOUT` in tcp(7)).
const UNREAD_DEADLINE: Duration = Duration::from_secs(20);
/// What the kernel holds of an answer that is not read; it takes twice as much. Left to itself it takes 4 MB, for each of thousands.
const SEND_BUFFER: usize = 256 * 1024;
/// How long a client may take to send its headers, and how long an idle connection stays.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);
/// Room for the request line and headers.
const HEADER_BYTES: usize = 64 * 1024;
/// How long answers that are under way have at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// After a failed accept, which is a lack of descriptors or memory: they need a moment to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections may be open in this process.
pub fn room() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fitting = usize::try_from(descriptors).unwrap_or(usize::MAX) / SHARE_OF_DESCRIPTORS;
    fitting.clamp(1, CONNECTIONS)
}

/// Serves until `stop`, then finishes what is under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let guests = Guests::new(room(), Arc::clone(&metrics));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            let accepted = listener.accept().await;
            // who is there already is asked to leave only for one who has come
            let place = match &accepted {
                Ok(_) => Some(guests.enter().await),
                Err(_) => None,
            };
            (accepted, place)
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, place) = match accepted {
            (Ok((stream, _)), Some(place)) => (stream, place),
            (accepted, _) => {
                let error = accepted.err();
                tracing::warn!(?error, "a connection to the API could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let socket = SockRef::from(&stream);
        let options = stream
            .set_nodelay(true)
            .and_then(|()| socket.set_tcp_user_timeout(Some(UNREAD_DEADLINE)))
            .and_then(|()| socket.set_send_buffer_size(SEND_BUFFER));
        if let Err(error) = options {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        converse(stream, place, &router, &metrics, &graceful);
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWERS, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::debug!("some answers were cut off by the stop");
    }
}

/// Answers one connection's requests, one after the other, until it ends or has to leave.
fn converse(
    stream: TcpStream,
    place: Place,
    router: &Router,
    metrics: &Arc<Metrics>,
    graceful: &GracefulShutdown,
) {
    let leave = place.leave.clone();
    let talk = Talk::new(place);
    let link = Link::new(stream, Arc::clone(&talk), Arc::clone(metrics));
    let service = TowerToHyperService::new(router.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        talk.asked();
        let (answering, talk) = (service.call(request), Arc::clone(&talk));
        async move {
            let response = answering.await?;
            if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                talk.broken_off.store(true, Ordering::Relaxed);
            }
            let events = HeaderValue::from_static("text/event-stream");
            let is_stream = response.headers().get(CONTENT_TYPE) == Some(&events);
            Ok::<_, std::convert::Infallible>(response.map(|body| Answer {
                body,
                talk,
                is_stream,
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEADER_BYTES)
        // what is read at once may go beyond the buffer's bound
        .max_header_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(link), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => {
                // clients break connections all the time; that is theirs
                if let Err(error) = ended {
                    tracing::trace!(%error, "a connection to the API broke");
                }
            }
            () = leave.cancelled() => {}
        }
    });
}
