//! The API's own description: `/openapi.json`, and `/docs` to read and try it without a network.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa_swagger_ui::SwaggerUi;

use super::example::Examples;
use super::{ApiState, parameter, session};

/// The reader of `/docs` sets styles from its script, and shows icons that are part of its style sheet.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What nobody has to sign in for.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/session"];
const TOKEN: &str = "token";
const SESSION: &str = "session";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pingu",
        description = "Targets, their results and the figures of a window.\n\nTimes are RFC 3339 in UTC. Every error has the form \
                       `{\"error\": …, \"code\": …}`. Unknown query parameters are ignored.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
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
    let examples = Examples::recorded();
    for (path, item) in &mut document.paths.paths {
        let versioned = path.starts_with("/api/v1");
        let place = path.trim_start_matches("/api/v1");
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
            let name = place
                .trim_matches('/')
                .replace(['/', '-'], "_")
                .replace(['{', '}'], "");
            let version = if versioned { "v1_" } else { "" };
            // what only reads needs no word for it
            let verb = if method == "get" {
                String::new()
            } else {
                format!("_{method}")
            };
            operation.operation_id = Some(format!("{version}{resource}_{name}{verb}"));
            if !OPEN.iter().any(|open| path.ends_with(open)) {
                guarded(operation);
            }
            examples.give(operation, method, place);
        }
    }
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer.build()));
    let cookie = ApiKey::Cookie(ApiKeyValue::new(session::NAME));
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(cookie));
    let docs = SwaggerUi::new("/docs").url("/openapi.json", document);
    Router::new()
        .merge(docs)
        .layer(SetResponseHeaderLayer::overriding(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(DOCS_POLICY),
        ))
}

/// Asks for the token or a session, where there is a token.
fn guarded(operation: &mut Operation) {
    let nothing: [&str; 0] = [];
    operation.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new(TOKEN, nothing),
        SecurityRequirement::new(SESSION, nothing),
    ]);
    let refused = ResponseBuilder::new()
        .description("`API_TOKEN` is set, and neither it nor a session came with the request")
        .content(
            "application/json",
            Content::new(Some(Ref::from_schema_name("ErrorBody"))),
        );
    operation
        .responses
        .responses
        .insert("401".to_owned(), refused.build().into());
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
