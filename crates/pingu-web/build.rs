//! Writes the table of embedded pages: those in `web/dist` if the dashboard was built, else those in `fallback/`.
//!
//! Promises: no npm, no network, nothing written outside `OUT_DIR`, and a new run when a page comes, goes or changes.

#[path = "build/etag.rs"]
mod etag;
#[path = "build/tree.rs"]
mod tree;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let (dist, fallback) = (here.join("web/dist"), here.join("fallback"));
    let is_built = dist.join("index.html").is_file();

    // Cargo scans folders deeply. Both are named whichever is used, so that a first build of the dashboard is noticed.
    for input in ["build.rs", "build", "fallback", "web/dist"] {
        println!("cargo:rerun-if-changed={input}");
    }
    let small = table(&fallback, true)?;
    let pages = if is_built {
        table(&dist, false)?
    } else {
        println!("cargo:warning=no dashboard in web/dist: embedding the small page of fallback/");
        small.clone()
    };
    let out = PathBuf::from(variable("OUT_DIR"));
    fs::write(out.join("pages.rs"), pages)?;
    // for tests alone: they prove the small page also where the dashboard is embedded
    fs::write(out.join("fallback.rs"), small)
}

fn variable(name: &str) -> String {
    env::var(name).expect("cargo sets it for every build script")
}

/// The Rust expression that `src/lib.rs` includes.
fn table(root: &Path, is_fallback: bool) -> io::Result<String> {
    let sources = tree::read(root)?;
    let index = sources
        .iter()
        .position(|source| source.path == "index.html")
        .ok_or_else(|| io::Error::other(format!("no index.html in {}", root.display())))?;

    let mut out = String::new();
    let mut put = |line: std::fmt::Arguments| writeln!(out, "{line}").expect("a String takes all");
    put(format_args!(
        "Pages {{ is_fallback: {is_fallback}, index: {index}, assets: &["
    ));
    for source in &sources {
        put(format_args!(
            "    Asset {{ path: {:?}, content_type: {:?}, immutable: {}, identity: {}, gzip: {}, brotli: {} }},",
            source.path,
            source.content_type,
            source.immutable && !is_fallback,
            body(&source.identity)?,
            optional(source.gzip.as_deref())?,
            optional(source.brotli.as_deref())?,
        ));
    }
    put(format_args!("] }}"));
    Ok(out)
}

fn optional(file: Option<&Path>) -> io::Result<String> {
    file.map_or(Ok("None".into()), |file| {
        Ok(format!("Some({})", body(file)?))
    })
}

fn body(file: &Path) -> io::Result<String> {
    let etag = etag::of(&fs::read(file)?);
    // relative to the crate: a target folder may be shared by several checkouts, or outlive one
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let file = file.strip_prefix(here).map_err(io::Error::other)?;
    let file = file
        .to_str()
        .ok_or_else(|| io::Error::other(format!("path of {} is not UTF-8", file.display())))?;
    Ok(format!(
        "Body {{ bytes: include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?})), etag: {etag:?} }}",
        format!("/{file}"),
    ))
}
