//! The listener: bounded connections, bounded headers, and an end that waits for nobody too long.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once, and the most of the descriptors that they may take; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 4096;
const SHARE_OF_DESCRIPTORS: usize = 4;
/// How long an answer may lie unread: a client that does not take it is gone, or wants to keep us busy (`TCP_USER_TIMEOUT` in tcp(7)).
const UNREAD_DEADLINE: Duration = Duration::from_secs(20);
/// How long a client may take to send its headers, and how long an idle connection stays.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);
/// Room for the request line and headers.
const HEADER_BYTES: usize = 64 * 1024;
/// How long answers that are under way have at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// After a failed accept, which is a lack of descriptors or memory: they need a moment to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fitting = usize::try_from(descriptors).unwrap_or(usize::MAX) / SHARE_OF_DESCRIPTORS;
    let permits = Arc::new(Semaphore::new(fitting.clamp(1, CONNECTIONS)));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let options = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_DEADLINE)));
        if let Err(error) = options {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_DEADLINE)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // clients break connections all the time; that is theirs
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection to the API broke");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWERS, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::debug!("some answers were cut off by the stop");
    }
}
