//! Proves the embedded table, and the reading of a folder of pages that the build script makes it from.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::{Asset, Body, PAGES, Pages};

#[path = "../build/etag.rs"]
mod etag;
#[path = "../build/tree.rs"]
mod tree;

static FALLBACK: Pages = include!(concat!(env!("OUT_DIR"), "/fallback.rs"));

/// The embedded pages, which are the dashboard where it was built, and the small page in any case.
fn both() -> [&'static Pages; 2] {
    [&PAGES, &FALLBACK]
}

fn bodies(pages: &'static Pages) -> impl Iterator<Item = &'static Body> {
    pages.assets.iter().flat_map(|asset| {
        [
            Some(&asset.identity),
            asset.gzip.as_ref(),
            asset.brotli.as_ref(),
        ]
        .into_iter()
        .flatten()
    })
}

fn index(pages: &'static Pages) -> (&'static Asset, &'static str) {
    let index = &pages.assets[pages.index];
    let page = std::str::from_utf8(index.identity.bytes).expect("UTF-8");
    (index, page)
}

#[test]
fn what_is_served_is_the_embedded_page() {
    assert!(std::ptr::eq(super::index(), index(&PAGES).0));
    assert_eq!(super::assets().len(), PAGES.assets.len());
    assert_eq!(super::IS_FALLBACK, PAGES.is_fallback);
    for expected in super::assets() {
        let found = super::asset(expected.path).expect(expected.path);
        assert!(std::ptr::eq(found, expected), "{}", expected.path);
    }
}

#[test]
fn every_asset_is_found_by_its_path() {
    for pages in both() {
        assert!(pages.assets.len() > 1);
        for expected in pages.assets {
            for path in [expected.path.to_owned(), format!("/{}", expected.path)] {
                let found = pages.asset(&path).expect(&path);
                assert!(std::ptr::eq(found, expected), "{path}");
            }
        }
    }
}

#[test]
fn the_index_is_a_page_and_what_it_loads_is_embedded() {
    for pages in both() {
        let (index, page) = index(pages);
        assert_eq!(index.path, "index.html");
        assert_eq!(index.content_type, "text/html; charset=utf-8");
        let loaded: Vec<_> = page
            .split('"')
            .filter(|text| text.starts_with('/'))
            .filter_map(|path| Some(pages.asset(path)?.content_type))
            .collect();
        for needed in [
            "text/javascript; charset=utf-8",
            "text/css; charset=utf-8",
            "image/svg+xml",
        ] {
            assert!(loaded.contains(&needed), "{needed}: {page}");
        }
        for path in page.split('"').filter(|text| text.starts_with("/assets/")) {
            assert!(pages.asset(path).is_some(), "{path}");
        }
    }
}

#[test]
fn the_page_holds_nothing_that_a_strict_content_security_policy_blocks() {
    for pages in both() {
        let (_, page) = index(pages);
        for tag in page.split('<').filter(|tag| tag.starts_with("script")) {
            assert!(tag.contains("src=\"/"), "inline script: <{tag}");
        }
        for blocked in [
            "<style",
            " style=",
            " onclick=",
            " onload=",
            "javascript:",
            "\"http:",
            "\"https:",
        ] {
            assert!(!page.contains(blocked), "{blocked}");
        }
    }
}

#[test]
fn only_exact_names_are_found() {
    for path in [
        "",
        "/",
        "//index.html",
        "assets",
        "assets/",
        "/assets/../index.html",
        "/./index.html",
        "../Cargo.toml",
        "/assets/..%2findex.html",
        "%2e%2e/src/lib.rs",
        "assets\\app.js",
        "/INDEX.HTML",
        "/index.html\0",
        "/index.html/",
        "/etc/passwd",
        ".gitignore",
        ".built",
    ] {
        assert!(
            both().iter().all(|pages| pages.asset(path).is_none()),
            "{path:?}"
        );
    }
}

#[test]
fn an_etag_is_the_quoted_hash_of_its_bytes_and_differs_from_every_other() {
    for pages in both() {
        let mut seen = HashSet::new();
        for body in bodies(pages) {
            assert_eq!(body.etag, etag::of(body.bytes));
            assert!(seen.insert(body.etag), "{} twice", body.etag);
        }
    }
}

#[test]
fn the_hash_gives_the_published_values_of_fnv_1a_with_128_bits() {
    assert_eq!(etag::of(b""), "\"6c62272e07bb014262b821756295c58d\"");
    assert_eq!(etag::of(b"a"), "\"d228cb696f1a8caf78912b704e4a8964\"");
    assert_eq!(etag::of(b"foobar"), "\"343e1662793c64bf6f0d3597ba446f18\"");
}

#[test]
fn the_small_page_is_never_final_because_its_names_carry_no_hash() {
    assert!(FALLBACK.is_fallback);
    assert!(FALLBACK.assets.iter().all(|asset| !asset.immutable));
}

#[test]
fn the_dashboard_is_final_and_compressed_but_for_what_keeps_its_name() {
    if PAGES.is_fallback {
        return; // without Node it is not built, and nothing is there to prove
    }
    let hashed = |asset: &&Asset| asset.path.starts_with("assets/");
    let is_final = PAGES.assets.iter().filter(|asset| asset.immutable);
    assert!(is_final.clone().all(|asset| hashed(&asset)));
    // one hash in 700 looks like a word
    assert!(is_final.count() * 2 > PAGES.assets.iter().filter(hashed).count());
    for asset in PAGES.assets {
        // below a kilobyte a twin may not be worth it
        let is_small = asset.identity.bytes.len() < 1024;
        let has_twins = asset.gzip.is_some() && asset.brotli.is_some();
        assert!(is_small || has_twins, "{} has no twins", asset.path);
    }
}

fn put(root: &Path, path: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().expect("below the root")).unwrap();
    fs::write(file, path).unwrap();
}

#[test]
fn a_folder_is_read_in_order_with_twins_beside_their_originals() {
    let root = tempfile::tempdir().unwrap();
    for path in [
        "index.html",
        "index.html.br",
        "assets/index-DiwrgTda.js",
        "assets/index-DiwrgTda.js.gz",
        "assets/index-DiwrgTda.js.br",
        "assets/lonely.js.gz",
        ".gitignore",
        "assets/.hidden/secret.js",
    ] {
        put(root.path(), path);
    }
    let sources = tree::read(root.path()).unwrap();
    let paths: Vec<_> = sources.iter().map(|source| source.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "assets/index-DiwrgTda.js",
            "assets/lonely.js.gz",
            "index.html"
        ]
    );
    let script = &sources[0];
    assert_eq!(
        script.identity,
        root.path().join("assets/index-DiwrgTda.js")
    );
    assert_eq!(
        script.gzip,
        Some(root.path().join("assets/index-DiwrgTda.js.gz"))
    );
    assert_eq!(
        script.brotli,
        Some(root.path().join("assets/index-DiwrgTda.js.br"))
    );
    assert_eq!(sources[2].gzip, None);
    assert_eq!(sources[2].brotli, Some(root.path().join("index.html.br")));
}

#[test]
fn a_content_type_follows_the_extension_and_a_stranger_is_bytes() {
    let root = tempfile::tempdir().unwrap();
    let expected = [
        ("a.css", "text/css; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.ico", "image/x-icon"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.js.map", "application/json"),
        ("a.png", "image/png"),
        ("a.strange", "application/octet-stream"),
        ("a.svg", "image/svg+xml"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.woff2", "font/woff2"),
        ("html", "application/octet-stream"),
    ];
    for (path, _) in expected {
        put(root.path(), path);
    }
    let found: Vec<_> = tree::read(root.path())
        .unwrap()
        .into_iter()
        .map(|source| (source.path, source.content_type))
        .collect();
    assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)));
}

#[test]
fn only_a_hashed_name_below_assets_is_final() {
    let root = tempfile::tempdir().unwrap();
    let expected = [
        ("assets/app.js", false),
        ("assets/deep/chunk-B_x-9dKq.js", true),
        ("assets/index-DiwrgTda.css", true),
        ("assets/penguin-standing.svg", false),
        ("assets/x-é234567.js", false),
        ("index-DiwrgTda.html", false),
    ];
    for (path, _) in expected {
        put(root.path(), path);
    }
    let found: Vec<_> = tree::read(root.path())
        .unwrap()
        .into_iter()
        .map(|source| (source.path, source.immutable))
        .collect();
    assert_eq!(found, expected.map(|(path, is)| (path.to_owned(), is)));
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    assert!(tree::read(&root.path().join("nowhere")).is_err());
}
