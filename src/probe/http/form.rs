//! How a request is written for whoever reads it first: the server, a proxy that passes it on, or an HTTP/2 server.

use http::header::{CONNECTION, HOST, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Request, Uri};

/// How a request is written.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// The path alone (RFC 9112 section 3.2.1).
    Origin,
    /// The whole URL, for a proxy (RFC 9112 section 3.2.2), and who we are, if it asks.
    Absolute(Option<HeaderValue>),
    /// Its parts as pseudo-headers (RFC 9113 section 8.3.1).
    Two(Scheme),
}

/// What says something of a connection, and in HTTP/2 may not be said of a stream (RFC 9113 section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 6] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Form {
    /// Rewrites a request in origin form that names its host in a header. Nothing if that cannot be.
    pub(super) fn apply<B>(self, mut request: Request<B>) -> Option<Request<B>> {
        let scheme = match self {
            Self::Origin => return Some(request),
            Self::Absolute(credentials) => {
                if let Some(credentials) = credentials {
                    request
                        .headers_mut()
                        .insert(PROXY_AUTHORIZATION, credentials);
                }
                Scheme::HTTP
            }
            Self::Two(scheme) => {
                let headers = request.headers_mut();
                for name in OF_CONNECTIONS {
                    headers.remove(name);
                }
                let uri = whole(&request, scheme)?;
                request.headers_mut().remove(HOST);
                *request.uri_mut() = uri;
                *request.version_mut() = http::Version::HTTP_2;
                return Some(request);
            }
        };
        *request.uri_mut() = whole(&request, scheme)?;
        Some(request)
    }
}

fn whole<B>(request: &Request<B>, scheme: Scheme) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    let host = request.headers().get(HOST)?.as_bytes();
    parts.authority = Some(Authority::try_from(host).ok()?);
    let path = request.uri().path_and_query().cloned();
    parts.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<()> {
        Request::get("/a?b=c")
            .header(HOST, "a.example:81")
            .header(CONNECTION, "close")
            .header("keep-alive", "5")
            .header("x-own", "1")
            .body(())
            .unwrap()
    }

    #[test]
    fn a_proxy_is_told_the_whole_url_and_who_we_are() {
        let me = HeaderValue::from_static("Basic bWU6");
        let request = Form::Absolute(Some(me)).apply(request()).unwrap();
        assert_eq!(request.uri(), "http://a.example:81/a?b=c");
        assert_eq!(request.headers()[HOST], "a.example:81");
        assert_eq!(request.headers()[PROXY_AUTHORIZATION], "Basic bWU6");
    }

    #[test]
    fn http_2_says_nothing_of_the_connection() {
        let request = Form::Two(Scheme::HTTPS).apply(request()).unwrap();
        assert_eq!(request.uri(), "https://a.example:81/a?b=c");
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-own"]);
    }

    #[test]
    fn a_server_is_told_the_path_alone() {
        let request = Form::Origin.apply(request()).unwrap();
        assert_eq!(request.uri(), "/a?b=c");
    }
}
