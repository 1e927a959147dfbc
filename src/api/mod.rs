//! Readers ask: the HTTP API, one file per resource.
//!
//! The routes that Pingu always had live at the root and under `/api/v1`; everything newer lives under `/api/v1` only. Reading never
//! writes, and never delays a probe: a request has 10 s and its query runs on connections of its own.

pub mod about;
mod auth;
mod beats;
mod calendar;
mod certificate;
mod cursor;
mod error;
pub mod events;
mod example;
mod fresh;
mod head;
mod health;
mod incidents;
mod load;
mod metrics;
mod openapi;
mod overview;
mod parameter;
mod press;
mod process;
mod query;
mod representation;
mod results;
mod selection;
mod series;
mod serve;
mod session;
mod snapshot;
mod summary;
mod tally;
mod targets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::{Target, Timestamp};
use crate::storage::Store;
use crate::storage::history::History;

use events::Feed;
use load::Load;

pub use beats::Boards;
pub use error::ApiError;
pub use results::Measured;
pub use serve::serve;
pub use snapshot::{Snapshot, Snapshots};
pub use tally::Tally;

/// The longest request target (path and query) in bytes.
const MAX_TARGET: usize = 8 * 1024;
const MAX_BODY: usize = 64 * 1024;
const HANDLER_DEADLINE: Duration = Duration::from_secs(10);

/// What every handler may use.
#[derive(Clone)]
pub struct ApiState {
    pub store: Arc<dyn Store>,
    pub history: Arc<History>,
    /// The figures of all targets.
    pub tally: Arc<Tally>,
    /// What is asked for all the time.
    pub snapshots: Arc<Snapshots>,
    /// What a list of targets draws.
    pub boards: Arc<Boards>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    /// When this process started: results cannot be older than it is.
    pub started: Timestamp,
    /// What readers have to show; nothing where anyone may read.
    pub token: Option<Arc<SecretString>>,
    /// Whether the scheduler looks at its timetable, where there is one.
    pub alive: Arc<dyn Fn() -> bool + Send + Sync>,
    pub events: Arc<Feed>,
    pub about: Arc<about::Facts>,
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState").finish_non_exhaustive()
    }
}

/// The routes that clients of the original service use: `api.md` of the documentation fixes their fields.
fn fixed() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(targets::list))
        .routes(routes!(targets::one))
        .routes(routes!(results::of_target))
        .routes(routes!(results::latest))
        .routes(routes!(results::latest_by_target))
        .routes(routes!(summary::all))
        .routes(routes!(summary::one))
}

/// What came later: under `/api/v1` only, so that no address of a page collides with it.
fn added() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(series::of_target))
        .routes(routes!(series::of_several))
        .routes(routes!(overview::overview))
        .routes(routes!(about::about))
        .routes(routes!(certificate::of_target))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::one))
        .routes(routes!(incidents::of_target))
        .routes(routes!(calendar::heatmap))
        .routes(routes!(calendar::uptime))
        .routes(routes!(events::stream))
        .routes(routes!(session::state, session::sign_in, session::sign_out))
}

/// What an operator or another program asks of the process itself.
fn process() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(process::livez))
        .routes(routes!(process::readyz))
        .routes(routes!(process::version))
}

/// The whole service: the API, its documentation, and for every other path what `pages` answers.
pub fn router(state: ApiState, pages: Router) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(openapi::document())
        .merge(fixed())
        .nest("/api/v1", fixed().merge(added()))
        .merge(process())
        .routes(routes!(metrics::of_all))
        .split_for_parts();
    guarded(routes.merge(openapi::pages(document)), state, pages)
}

/// What a process without readers answers: how it does, and for every other path where to ask.
pub fn process_router(state: ApiState) -> Router {
    let (routes, _) = OpenApiRouter::new()
        .routes(routes!(health::health))
        .merge(process())
        .routes(routes!(metrics::of_the_process))
        .split_for_parts();
    guarded(routes, state, Router::new().fallback(not_here))
}

/// Every request passes here, whatever answers it.
fn guarded(routes: Router<ApiState>, state: ApiState, rest: Router) -> Router {
    let metrics = Arc::clone(&state.metrics);
    let load = Load::new(Arc::clone(&metrics));
    routes
        .layer(from_fn(representation::represent))
        .layer(from_fn_with_state(load, load::bound))
        .layer(from_fn_with_state(state.clone(), auth::require_token))
        .fallback_service(rest)
        .layer(from_fn(bounded_target))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            HANDLER_DEADLINE,
        ))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(CatchPanicLayer::custom(|panic| panicked(&panic)))
        .layer(from_fn(errors_as_json))
        .layer(from_fn(head::complete))
        .layer(from_fn_with_state(metrics, counted))
        .with_state(state)
}

/// Counts every request by its route, never by what the client wrote.
async fn counted(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("page", MatchedPath::as_str);
    let status = response.status().as_u16();
    metrics.serving.answered(route, status, began.elapsed());
    response
}

async fn not_here() -> ApiError {
    ApiError::not_found(
        "this is a poller: it answers /health, /livez, /readyz, /version and /metrics; pingu api on the same database serves the rest",
    )
}

async fn bounded_target(request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return ApiError::of_status(StatusCode::URI_TOO_LONG).into_response();
    }
    next.run(request).await
}

/// Libraries answer errors as plain text or with nothing; clients get one form.
async fn errors_as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let json = HeaderValue::from_static("application/json");
    let failed = status.is_client_error() || status.is_server_error();
    if !failed || response.headers().get(header::CONTENT_TYPE) == Some(&json) {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut answer = ApiError::of_status(status).into_response();
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

fn panicked(panic: &Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("unknown"), "a request panicked");
    ApiError::internal().into_response()
}

/// What `{id}` says: a target's id, the file's id of it, or its name.
struct Reference(String);

/// The target that `{id}` names.
struct Named(Target);

fn unknown_target() -> ApiError {
    ApiError::not_found("no target with this id or name")
}

impl<S: Send + Sync> FromRequestParts<S> for Reference {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let reference = Path::<String>::from_request_parts(parts, state).await;
        reference
            .map(|Path(reference)| Self(reference))
            .map_err(|_| unknown_target())
    }
}

impl FromRequestParts<ApiState> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ApiState,
    ) -> Result<Self, Self::Rejection> {
        let Reference(reference) = Reference::from_request_parts(parts, state).await?;
        let found = state.snapshots.target(&reference).await?;
        found.map(Self).ok_or_else(unknown_target)
    }
}
