//! Serves the embedded pages: assets by their path, the page itself for every other path.
//!
//! The page may load its own scripts, styles and data and nothing else, so that no text from outside can ever run in it.

use axum::Router;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use pingu_web::{Asset, Body};

use crate::api::ApiError;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// One place in all caches for as long as they like: the name carries a hash of the content.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Answers what no route of the API does.
pub fn router() -> Router {
    Router::new().fallback(serve)
}

async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if is_data(path) && pingu_web::asset(path).is_none() {
        return ApiError::of_status(StatusCode::NOT_FOUND).into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        let refused = ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED);
        return ([(ALLOW, "GET, HEAD")], refused).into_response();
    }
    answer(
        pingu_web::asset(path).unwrap_or_else(pingu_web::index),
        &headers,
    )
}

/// Paths under which a page would only hide a slip.
fn is_data(path: &str) -> bool {
    ["/api", "/assets"].iter().any(|place| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let (body, encoding) = representation(asset, headers);
    let cache = if asset.immutable { FOREVER } else { "no-cache" };
    let mut response = if is_known(body, headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body.bytes.into_response()
    };
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    head.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    head.insert(ETAG, HeaderValue::from_static(body.etag));
    head.insert(VARY, HeaderValue::from_static("accept-encoding"));
    head.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Some(encoding) = encoding {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn representation(
    asset: &'static Asset,
    headers: &HeaderMap,
) -> (&'static Body, Option<&'static str>) {
    let accepted = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect::<Vec<_>>()
        .join(",");
    let takes = |coding: &str| {
        accepted.split(',').any(|offer| {
            let mut parts = offer.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(coding));
            let refused =
                parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            named && !refused
        })
    };
    match (&asset.brotli, &asset.gzip) {
        (Some(body), _) if takes("br") => (body, Some("br")),
        (_, Some(body)) if takes("gzip") => (body, Some("gzip")),
        _ => (&asset.identity, None),
    }
}

fn is_known(body: &Body, headers: &HeaderMap) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == body.etag || tag == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_paths_are_missing_pages() {
        for path in ["/api", "/api/", "/api/v1/nothing", "/assets/nothing.js"] {
            assert!(is_data(path), "{path}");
        }
        for path in ["/", "/t/abc", "/apiary", "/incidents"] {
            assert!(!is_data(path), "{path}");
        }
    }
}
