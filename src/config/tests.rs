//! Whole files, from their bytes to what they declare or to what people are told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::content::Content;
use super::file;
use super::validate::{MAX_INTERVAL, MAX_NAME, MIN_INTERVAL};
use super::*;
use crate::model::{Declared, ProbeSpec};

fn fixtures(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(folder);
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    let mut found: Vec<_> = yaml
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn parse(bytes: impl AsRef<[u8]>) -> Result<Loaded, FileError> {
    file::parse(&Content::new(
        "targets.yaml".to_owned(),
        bytes.as_ref().to_vec(),
    ))
}

/// Everything a target declares, in few lines.
fn brief(Declared { id, spec }: &Declared) -> String {
    let probe = serde_json::to_string(&spec.probe).unwrap();
    let times = (spec.interval, spec.timeout, spec.slow_after);
    let rule = (spec.incident.fail_after, spec.incident.recover_after);
    let words = (&spec.group, &spec.tags, &spec.description);
    format!(
        "{:?} id={id:?} enabled={}\n  {times:?} {rule:?}\n  {words:?}\n  {probe}\n",
        spec.name, spec.enabled
    )
}

fn snapshots_beside(folder: &str, check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../../tests/config/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(check);
}

#[test]
fn every_invalid_file_tells_what_is_wrong() {
    snapshots_beside("invalid", || {
        for (name, path) in fixtures("invalid") {
            let error = parse(std::fs::read(path).unwrap()).expect_err(&name);
            assert!(
                !error.to_string().contains("hunter2"),
                "{name}: a password is printed"
            );
            assert_snapshot!(name, error);
        }
    });
}

#[test]
fn every_valid_file_loads_as_expected() {
    snapshots_beside("valid", || {
        for (name, path) in fixtures("valid") {
            let loaded = parse(std::fs::read(path).unwrap())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut shown = format!("empty: {}\n", loaded.empty);
            for declared in &loaded.declared {
                shown += &brief(declared);
            }
            for warning in &loaded.warnings {
                assert!(
                    !warning.to_string().contains("hunter2"),
                    "{name}: a password is printed"
                );
                writeln!(shown, "warning: {warning}").unwrap();
            }
            assert_snapshot!(name, shown);
        }
    });
}

#[test]
fn the_shipped_files_load_without_a_warning() {
    for name in ["targets.yaml", "targets.example.yaml"] {
        let loaded = load_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        assert_eq!(loaded.warnings, Vec::new(), "{name}");
        assert!(loaded.declared.len() >= 5, "{name}");
    }
}

#[test]
fn the_example_shows_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets.example.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    for key in validate::keys() {
        assert!(
            text.contains(&format!("{key}:")),
            "`{key}` is not in targets.example.yaml"
        );
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let unix = "targets:\n  - name: a\n    type: icmp\n    host: ::1\n    description: |\n      one\n      two";
    let expected = parse(unix).unwrap().declared;
    for variant in [
        unix.replace('\n', "\r\n"),
        format!("\u{feff}{unix}"),
        format!("\u{feff}---\r\n{}\r\n...\r\n", unix.replace('\n', "\r\n")),
        format!("%YAML 1.1\n---\n{unix}\n"),
        format!("# comment\n\n{unix}\n# comment\n"),
    ] {
        assert_eq!(
            parse(&variant)
                .unwrap_or_else(|error| panic!("{error}\n{variant}"))
                .declared,
            expected,
            "{variant}"
        );
    }
}

#[test]
fn a_place_is_right_after_a_byte_order_mark_crlf_and_letters_of_several_bytes() {
    let error =
        parse("\u{feff}targets:\r\n  - {name: \"é日本\", type: icmp, hots: x}\r\n").unwrap_err();
    let problem = &error.problems()[0];
    assert_eq!(
        problem.place,
        Some(Place {
            line: 2,
            column: 31
        })
    );
    let excerpt = problem.excerpt.as_ref().unwrap();
    assert_eq!((excerpt.indent, excerpt.length), (30, 4));
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    for (bytes, expected) in [
        (
            &b"targets:\n  - name: \xff\xfe"[..],
            "targets.yaml:2:11: not UTF-8",
        ),
        (
            b"targets: []\n\0",
            "targets.yaml:2:1: a control character (byte 0x00)",
        ),
        (
            b"targets:\n - name: \x1b[31m",
            "targets.yaml:2:10: a control character (byte 0x1b)",
        ),
        (b"\xff\xfet\0a\0", "targets.yaml: the file is UTF-16"),
    ] {
        let text = parse(bytes).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn only_regular_files_of_a_bearable_size_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("targets.yaml");
    let told = |expected: &str| {
        let error = load_file(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            error.to_string().starts_with(&path.display().to_string()),
            "{error}"
        );
    };
    told("there is no such file");
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    told("a link to a file that is not there");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    told("a directory");
    std::fs::remove_dir(&path).unwrap();
    // opening one for reading would wait for a writer
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    told("a pipe or a device");
    std::fs::remove_file(&path).unwrap();
    // holes take no room on the disk
    std::fs::File::create(&path)
        .unwrap()
        .set_len(100 * 1024 * 1024 * 1024)
        .unwrap();
    told("larger than 32 MiB");
    assert!(matches!(load_file(&path), Err(FileError::TooLarge { .. })));
}

#[test]
fn a_file_of_too_many_values_is_refused() {
    // the smallest values there are, a quarter of what a file may hold of them: the limit on values ends it
    let text = format!("targets: [{}]", "0,".repeat(4_100_000));
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("more than 4000000 values"), "{error}");
}

#[test]
fn a_hundred_thousand_targets_load() {
    let mut text = String::from("x-common: &common {timeout_ms: 500, tags: [a, b]}\ntargets:\n");
    for number in 0..100_000 {
        writeln!(text, "  - name: target-{number}\n    type: icmp\n    host: 10.0.0.1\n    interval_seconds: 10\n    <<: *common").unwrap();
    }
    let loaded = parse(&text).unwrap();
    assert_eq!(loaded.declared.len(), 100_000);
    assert_eq!(loaded.declared[99_999].spec.timeout.as_millis(), 500);
}

/// Each level doubles or tenfolds: expanded they would not fit into any memory. Shared nodes and the limits keep them small.
#[test]
fn bombs_are_refused_or_harmless() {
    let mut laughs = String::from("x-a: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    let mut merges = String::from("x-m: &m0 {k: v}\n");
    for level in 1..60 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        writeln!(laughs, "x-a{level}: &a{level} [{aliases}]").unwrap();
        writeln!(
            merges,
            "x-m{level}: &m{level} {{<<: [*m{before}, *m{before}], k{level}: v}}"
        )
        .unwrap();
    }
    laughs += "targets: *a59\n";
    merges += "targets: []\n";
    let error = parse(&laughs).unwrap_err().to_string();
    assert!(
        error.contains("a target is a mapping, but here is a list"),
        "{error}"
    );
    assert!(parse(&merges).is_ok());

    let wide: Vec<_> = (0..50_000)
        .map(|key| {
            format!(
                "  k{key}: v
"
            )
        })
        .collect();
    let users = "  - <<: *wide
"
    .repeat(50_000);
    let error = parse(format!("x-wide: &wide\n{}targets:\n{users}", wide.concat()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("merging this with `<<` adds up to more than"),
        "{error}"
    );

    for deep in [
        "[".repeat(1_000_000),
        "- ".repeat(1_000_000),
        "{a: ".repeat(1_000_000),
        "? ".repeat(1_000_000),
    ] {
        let error = parse(format!("targets: \n{deep}")).unwrap_err().to_string();
        assert!(error.contains("nested too deep"), "{error}");
    }
}

#[test]
fn a_list_shared_by_many_targets_stays_bounded() {
    let tags: Vec<String> = (0..100_000).map(|tag| tag.to_string()).collect();
    let error = parse(format!(
        "defaults: {{tags: [{}]}}\ntargets: []",
        tags.join(",")
    ))
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("`tags` has 100000 entries: at most 32"),
        "{error}"
    );
}

#[test]
fn a_flood_of_warnings_is_counted() {
    let keys = "    enabled: true\n".repeat(200);
    let text = format!("targets:\n  - name: a\n    type: icmp\n    host: \"::1\"\n{keys}");
    let loaded = parse(text).unwrap();
    assert_eq!(loaded.warnings.len(), 51);
    assert!(loaded.warnings[50].message.contains("149 more"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes).map_err(|error| error.to_string());
    }

    #[test]
    fn arbitrary_yaml_never_panics(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        if let Ok(loaded) = parse(pieces.concat()) {
            holds_the_bounds(&loaded)?;
        }
    }

    #[test]
    fn whatever_loads_is_within_the_bounds(items in prop::collection::vec(item(), 0..6), defaults in item()) {
        let items: Vec<_> = items.iter().map(|item| format!("- {{{item}}}
")).collect();
        let text = format!("defaults: {{{defaults}}}
targets:
{}", items.concat());
        match parse(&text) {
            Ok(loaded) => holds_the_bounds(&loaded)?,
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                for problem in error.problems() {
                    prop_assert!(problem.place.is_some(), "{problem}");
                }
            }
        }
    }
}

const PIECES: &[&str] = &[
    "targets:",
    "defaults:",
    "\n",
    "\n  ",
    "\n    ",
    "\n  - ",
    "- ",
    ": ",
    " ",
    "name",
    "name: ",
    "type: ",
    "icmp",
    "http",
    "url: ",
    "host: ",
    "http://a/",
    "::1",
    "&a ",
    "*a",
    "<<: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\"",
    "'",
    "|\n",
    ">\n",
    "#",
    "!!str ",
    "? ",
    "\t",
    "---\n",
    "...\n",
    "%",
    "\u{feff}",
    "é",
    "1",
    "0.1",
    "interval_seconds: ",
    "timeout_ms: ",
    "tags: ",
    "\r\n",
    "~",
];

fn item() -> impl Strategy<Value = String> {
    let values = prop_oneof![
        any::<u16>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        prop::sample::select(
            &[
                "icmp",
                "http",
                "::1",
                "http://a/",
                "yes",
                "~",
                "[a]",
                "1:30",
                "0443",
                "'x'",
                "1e400",
                "-1",
                ".inf"
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-z]{1,8}",
    ];
    let keys: Vec<&'static str> = validate::keys().collect();
    let entry =
        (prop::sample::select(keys), values).prop_map(|(key, value)| format!("{key}: {value}"));
    let usual = prop::sample::select(
        &[
            "name: n, type: icmp, host: \"::1\"",
            "name: m, type: http, url: \"http://a/\"",
        ][..],
    );
    (usual, prop::collection::vec(entry, 0..4))
        .prop_map(|(usual, entries)| format!("{usual}, {}", entries.join(", ")))
}

fn holds_the_bounds(loaded: &Loaded) -> Result<(), TestCaseError> {
    let mut seen = std::collections::HashSet::new();
    for declared in &loaded.declared {
        let spec = &declared.spec;
        prop_assert!(seen.insert(spec.name.clone()));
        prop_assert!(!spec.name.is_empty() && spec.name.chars().count() <= MAX_NAME);
        prop_assert!((MIN_INTERVAL..=MAX_INTERVAL).contains(&spec.interval));
        prop_assert!(spec.timeout <= spec.interval && spec.timeout.as_millis() >= 1);
        prop_assert!(spec.slow_after <= spec.timeout && !spec.slow_after.is_zero());
        if let ProbeSpec::Http(http) = &spec.probe {
            prop_assert!(http.url.has_host());
        }
    }
    Ok(())
}

/// A key and the certificate that was made with it, as PEM.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn files_of_certificates_are_read_with_the_targets_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = pair();
    let (_, other) = pair();
    let cert = write("cert.pem", &cert);
    let key = write("key.pem", &key);
    let other = write("other.pem", &other);
    let empty = write("empty.pem", "nothing in here\n");
    let load = |keys: &str| {
        parse(format!(
            "targets:\n  - {{name: a, type: http, url: 'https://a.example/', {keys}}}\n"
        ))
    };
    let loaded = load(&format!(
        "ca: {cert}, client_cert: {cert}, client_key: {key}"
    ))
    .unwrap();
    let ProbeSpec::Http(spec) = &loaded.declared[0].spec.probe else {
        panic!("{loaded:?}");
    };
    let client = spec.way.client.as_ref().unwrap();
    assert_eq!((&client.cert, &client.key), (&cert, &key));
    assert_eq!(spec.way.ca.as_ref(), Some(&cert));
    for (keys, expected) in [
        (
            format!("client_cert: {cert}, client_key: {other}"),
            "is not that of the certificate",
        ),
        (
            format!("client_cert: {cert}, client_key: {cert}"),
            "holds no private key",
        ),
        (
            format!("client_cert: {key}, client_key: {key}"),
            "holds no certificate",
        ),
        (format!("ca: {empty}"), "holds no certificate"),
        (format!("ca: {}", folder.path().display()), "is no file"),
    ] {
        let error = load(&keys).unwrap_err().to_string();
        assert!(error.starts_with("targets.yaml:2:"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    // half in the defaults, half in the target
    let halves = format!(
        "defaults: {{client_key: {key}}}\ntargets:\n  - {{name: a, type: http, url: 'https://a.example/', client_cert: {cert}}}\n"
    );
    assert!(parse(halves).is_ok());
}

#[test]
fn there_is_a_bound_on_resolvers() {
    let with = |count: usize| {
        let targets = (0..count).map(|number| {
            format!("  - {{name: t{number}, type: http, url: 'http://a.example/', resolver: 10.0.0.{number}}}\n")
        });
        parse(format!("targets:\n{}", targets.collect::<String>()))
    };
    assert!(with(64).is_ok());
    let error = with(66).unwrap_err().to_string();
    assert!(
        error.contains("more than 64 different resolvers"),
        "{error}"
    );
    assert_eq!(error.matches("different resolvers").count(), 1);
}
