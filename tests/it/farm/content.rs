//! Answers whose bodies are worth a look: texts, JSON and what calls itself so, compressed well, badly and for harm.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

const MIB: usize = 1024 * 1024;
const HEALTH: &str = r#"{"status": "ok", "count": 3, "parts": [{"name": "db", "up": true}, {"name": "mail", "up": false}], "note": null}"#;

/// The whole answer to a path.
pub fn of(path: &str) -> Option<Vec<u8>> {
    let plain = |body: Vec<u8>| Some(answer("text/plain", None, &body));
    let json = |body: Vec<u8>| Some(answer("application/json", None, &body));
    let coded = |coding: &str, body: Vec<u8>| Some(answer("application/json", Some(coding), &body));
    match path {
        "/health" => json(HEALTH.into()),
        "/empty" => plain(Vec::new()),
        "/no-text" => plain(b"begin \xff\xfe\x00 ready \xc3(".to_vec()),
        "/mib" => plain([vec![b'a'; MIB - 5], b"ready".to_vec()].concat()),
        // no two pieces of it are alike
        "/as-and-bs" => {
            let mut state = 1_u64;
            let bits = std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                b'a' + (state >> 63) as u8
            });
            plain(bits.take(MIB / 8).collect())
        }
        "/mib-and-more" => plain([vec![b'a'; MIB], b"ready".to_vec()].concat()),
        "/json-mib" => json(format!("[\"ok\"{}]", " ".repeat(MIB - 6)).into()),
        "/json-mib-and-more" => json(format!("[\"ok\"{}]", " ".repeat(MIB)).into()),
        "/json-cut" => json(HEALTH.as_bytes()[..40].to_vec()),
        "/json-none" => json(b"<html>busy</html>".to_vec()),
        "/json-deep" => json(format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)).into()),
        "/json-deep-objects" => json("{\"a\":".repeat(100_000).into()),
        "/json-long-key" => {
            let ones = vec!["1"; 250_000].join(",");
            json(format!("{{\"{}\":[{ones}]}}", "k".repeat(500_000)).into())
        }
        "/json-many-objects" => {
            json(format!("[{{\"a\":1}}{}]", ",{\"a\":1}".repeat(120_000)).into())
        }
        "/json-hostile" => {
            json("{\"status\": \"\u{202e}\\u001b[31m<script>alert(1)</script>\\u0000\"}".into())
        }
        "/gzip" => coded("gzip", gzip(HEALTH.as_bytes())),
        "/gzip-twice" => coded(
            "x-gzip",
            [gzip(b"{\"status\": "), gzip(b"\"ok\"}")].concat(),
        ),
        "/gzip-cut" => coded("gzip", gzip(HEALTH.as_bytes())[..20].to_vec()),
        "/gzip-none" => coded("gzip", HEALTH.into()),
        "/gzip-within" => coded("gzip, gzip", gzip(&gzip(HEALTH.as_bytes()))),
        "/gzip-members" => coded("gzip", gzip_zeros()),
        "/deflate" => coded("deflate", {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(HEALTH.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }),
        "/deflate-raw" => coded("deflate", {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(HEALTH.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }),
        "/brotli" => coded("br", HEALTH.into()),
        _ => None,
    }
}

fn answer(kind: &str, coding: Option<&str>, body: &[u8]) -> Vec<u8> {
    let coding = coding.map_or_else(String::new, |it| format!("Content-Encoding: {it}\r\n"));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: farm/1\r\nVia: one\r\nVia: two\r\nContent-Type: {kind}\r\n{coding}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// 400 kB that inflate to 400 MB: one member (RFC 1952 section 2.2) of four megabytes after another.
fn gzip_zeros() -> Vec<u8> {
    gzip(&vec![0; 4 * MIB]).repeat(100)
}
