//! The pages of Pingu, embedded at build time: one binary serves them, with no file beside it and no network.
//!
//! [`index`] is the page for `/` and for every deep link; [`asset`] finds what it asks for. The built dashboard is embedded if
//! there is one, else a small live page that needs no Node to build ([`IS_FALLBACK`] says which).
//!
//! Leaves out HTTP: the server picks a representation, answers `If-None-Match` and adds its security headers. It may keep an
//! [`immutable`](Asset::immutable) asset in caches for a year; any other must be revalidated by its `ETag`.

use std::fmt;

/// Whether the small page is embedded in place of the dashboard.
pub const IS_FALLBACK: bool = PAGES.is_fallback;

/// What the build script found in one folder.
struct Pages {
    is_fallback: bool,
    /// Where `index.html` is among the assets.
    index: usize,
    /// Ordered by path.
    assets: &'static [Asset],
}

static PAGES: Pages = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// A file of the pages, in every representation that was built.
#[derive(Debug)]
pub struct Asset {
    /// Where it is served, without the leading slash: `assets/app.js`.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// Whether its name carries a hash of its content, so that these bytes are final under this name.
    pub immutable: bool,
    /// As it is.
    pub identity: Body,
    /// For `Content-Encoding: gzip`.
    pub gzip: Option<Body>,
    /// For `Content-Encoding: br`.
    pub brotli: Option<Body>,
}

/// One representation of an asset.
pub struct Body {
    pub bytes: &'static [u8],
    /// A strong validator, quoted as in the header. Each encoding has its own, as RFC 9110, section 8.8.3.3 asks.
    pub etag: &'static str,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {}", self.bytes.len(), self.etag)
    }
}

impl Pages {
    fn asset(&self, path: &str) -> Option<&'static Asset> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let found = self.assets.binary_search_by(|asset| asset.path.cmp(path));
        Some(&self.assets[found.ok()?])
    }
}

/// The asset served at the path of a URL, with or without the leading slash.
///
/// The path is compared with the embedded names as it is: no decoding, no `.` or `..`, no case folding. So nothing but an
/// embedded file can be reached. `/` is no asset; see [`index`].
pub fn asset(path: &str) -> Option<&'static Asset> {
    PAGES.asset(path)
}

/// The page itself.
pub fn index() -> &'static Asset {
    &PAGES.assets[PAGES.index]
}

/// Every asset, ordered by path.
pub fn assets() -> impl ExactSizeIterator<Item = &'static Asset> {
    PAGES.assets.iter()
}

#[cfg(test)]
mod tests;
