//! What lies in a folder of pages, as the table of the library wants it.
//!
//! Promises: sorted by path, paths with `/` and without a leading one, every compressed twin beside its original and never an
//! asset of its own, hidden files and links left out. Leaves out compressing: whoever builds the pages does that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One file and its compressed twins.
#[derive(Debug)]
pub struct Source {
    /// Relative to the root of the pages, with `/`.
    pub path: String,
    pub content_type: &'static str,
    /// Whether a content hash in the name makes the bytes behind it final.
    pub immutable: bool,
    pub identity: PathBuf,
    pub gzip: Option<PathBuf>,
    pub brotli: Option<PathBuf>,
}

/// Every file below `root`. Fails on a file that cannot be listed, and on a name that is not UTF-8.
pub fn read(root: &Path) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort();

    let twin = |path: &str, suffix: &str| {
        let twin = format!("{path}{suffix}");
        files.binary_search(&twin).ok().map(|_| root.join(twin))
    };
    let is_twin = |path: &str| {
        [".gz", ".br"]
            .iter()
            .filter_map(|suffix| path.strip_suffix(suffix))
            .any(|original| {
                files
                    .binary_search_by(|file| file.as_str().cmp(original))
                    .is_ok()
            })
    };
    Ok(files
        .iter()
        .filter(|path| !is_twin(path))
        .map(|path| Source {
            path: path.clone(),
            content_type: content_type(path),
            immutable: has_hash(path),
            identity: root.join(path),
            gzip: twin(path, ".gz"),
            brotli: twin(path, ".br"),
        })
        .collect())
}

fn walk(root: &Path, folder: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| io::Error::other(format!("name of {} is not UTF-8", name.display())))?;
        if name.starts_with('.') {
            continue;
        }
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// By extension. Served with `nosniff`, a wrong type makes a browser refuse a script or a style sheet, so a stranger is bytes.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// Whether the name is one that Vite gives (`assets/index-DiwrgTda.js`): in `assets/`, with eight characters of base64url after
/// a hyphen. A capital or a digit among them tells a hash from a word; the one hash in 700 without either is merely revalidated.
fn has_hash(path: &str) -> bool {
    let Some(name) = path.strip_prefix("assets/") else {
        return false;
    };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let Some((rest, hash)) = stem
        .len()
        .checked_sub(8)
        .and_then(|at| stem.split_at_checked(at))
    else {
        return false;
    };
    rest.ends_with('-')
        && hash
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && hash
            .bytes()
            .any(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
