//! The API's own description: `/openapi.json`, and `/docs` to read and try it without a network.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_swagger_ui::SwaggerUi;

use super::events::{Counts, IncidentNews};
use super::{ApiState, parameter};

/// The reader of `/docs` sets styles from its script, and shows icons that are part of its style sheet.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pingu",
        description = "Targets, their results and the figures of a window.\n\nTimes are RFC 3339 in UTC. Every error has the form \
                       `{\"error\": …, \"code\": …}`. Unknown query parameters are ignored.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    // what events say is in no answer's schema: they are text
    components(schemas(Counts, IncidentNews)),
    tags(
        (name = "fixed", description = "Routes that never lose a field; at the root and under /api/v1"),
        (name = "history", description = "The past, summed up"),
        (name = "incidents", description = "Spans in which targets were down"),
        (name = "events", description = "What happens, as it happens"),
        (name = "session", description = "Signing in, for pages"),
        (name = "process", description = "The process itself"),
    )
)]
struct Document;

pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// `/openapi.json` and `/docs`.
pub fn pages(mut document: utoipa::openapi::OpenApi) -> Router<ApiState> {
    for (path, item) in &mut document.paths.paths {
        let versioned = path.starts_with("/api/v1");
        for (method, operation) in operations(item) {
            parameter::describe(operation);
            // one handler serves both places, and an operation's id must be unique
            let resource = operation
                .tags
                .iter()
                .flatten()
                .next()
                .cloned()
                .unwrap_or_default();
            let name = path
                .trim_start_matches("/api/v1")
                .trim_matches('/')
                .replace(['/', '-'], "_")
                .replace(['{', '}'], "");
            let version = if versioned { "v1_" } else { "" };
            operation.operation_id = Some(format!("{version}{resource}_{name}{method}"));
        }
    }
    let docs = SwaggerUi::new("/docs").url("/openapi.json", document);
    Router::new()
        .merge(docs)
        .layer(SetResponseHeaderLayer::overriding(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(DOCS_POLICY),
        ))
}

/// With what sets its id apart from that of reading the same path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("", &mut item.get),
        ("_post", &mut item.post),
        ("_delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
