//! The shape of the source, as a test: who may import whom, what every file must have, and whether the documents tell the truth.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room → the rooms that it may import. `ARCHITECTURE.md` gives the reasons. A room may always import itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("environment", &[]),
    ("config", &["model", "environment"]),
    ("probe", &["model", "environment"]),
    ("metrics", &["model"]),
    ("incident", &["model"]),
    ("storage", &["model", "incident", "metrics"]),
    ("scheduler", &["model", "clock", "metrics", "probe"]),
    ("pipeline", &["model", "incident", "scheduler"]),
    (
        "sync",
        &[
            "model",
            "clock",
            "config",
            "incident",
            "metrics",
            "scheduler",
            "storage",
        ],
    ),
    ("api", &["model", "clock", "metrics", "storage"]),
    ("pages", &["api"]),
    ("telemetry", &["config"]),
    (
        "app",
        &[
            "api",
            "clock",
            "config",
            "incident",
            "metrics",
            "pages",
            "pipeline",
            "probe",
            "scheduler",
            "storage",
            "sync",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "app",
            "clock",
            "config",
            "model",
            "probe",
            "storage",
            "telemetry",
        ],
    ),
];

/// Production lines beyond which a file is more than one thing.
const LONGEST_FILE: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                files.push(entry);
            }
        }
    }
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.strip_prefix(root())
        .expect("within the project")
        .display()
        .to_string()
}

/// The file without its tests.
fn production(text: &str) -> &str {
    text.split("\n#[cfg(test)]\n").next().unwrap_or(text)
}

/// The rooms that a text imports from the crate.
fn imports(text: &str) -> BTreeSet<&str> {
    let word = |rest: &str| {
        rest.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len())
    };
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| &rest[..word(rest)])
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let path = name(&file);
        let room = path
            .trim_start_matches("src/")
            .split(['/', '.'])
            .next()
            .unwrap_or_default();
        if matches!(room, "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{path}: the room {room} is not in the table"));
            continue;
        };
        let text = fs::read_to_string(&file).expect("text");
        for imported in imports(&text) {
            if imported != room && !allowed.contains(&imported) {
                wrong.push(format!("{path}: {room} may not import {imported}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = ["benches", "src", "crates", "tests"]
        .into_iter()
        .flat_map(rust_files)
        .filter(|file| {
            let text = fs::read_to_string(file).expect("text");
            !text.starts_with("//! ") && !text.starts_with("#![doc = include_str!")
        })
        .map(|file| name(&file))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn no_file_is_more_than_one_thing() {
    let long: Vec<_> = ["benches", "src", "crates"]
        .into_iter()
        .flat_map(rust_files)
        .filter(|file| !name(file).contains("/tests"))
        .map(|file| {
            (
                production(&fs::read_to_string(&file).expect("text"))
                    .lines()
                    .count(),
                name(&file),
            )
        })
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .collect();
    assert_eq!(long, []);
}

/// Migrations that databases of users have gone through: file, bytes, FNV-1a of 64 bits
/// (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>). What is to change goes into a new one.
const LANDED: &[(&str, usize, u64)] = &[
    ("0001_start.postgres.sql", 4220, 0x963d_f6c2_7df5_002b),
    ("0001_start.spool.sql", 985, 0x44ba_42ee_5ff4_e94a),
    ("0001_start.sqlite.sql", 3246, 0x819e_b9cd_e758_8e11),
    ("0002_rollups.postgres.sql", 1905, 0x1522_0e3b_82f7_6d7e),
    ("0002_rollups.sqlite.sql", 1464, 0x3eab_d261_90d0_39a7),
    ("0003_retention.postgres.sql", 876, 0x4b43_cb0e_0a5c_1270),
    ("0003_retention.sqlite.sql", 883, 0x1ff5_b2e6_a618_3077),
    ("0004_views.postgres.sql", 3767, 0xea9f_8d02_dea1_31ec),
    ("0004_views.sqlite.sql", 2606, 0x5bdd_dcfe_c38a_4f45),
    ("0005_settled.postgres.sql", 979, 0x68c7_cb42_b925_e575),
    ("0005_settled.sqlite.sql", 862, 0x6d06_db48_68a3_57a3),
    ("0006_certificates.postgres.sql", 384, 0xfbff_84fd_22f3_6272),
    ("0006_certificates.sqlite.sql", 404, 0x6a91_1c4a_7883_8283),
    ("0007_incidents.postgres.sql", 1761, 0x25cf_2ed3_36ae_6849),
    ("0007_incidents.sqlite.sql", 1754, 0xf732_debb_f29e_d2c7),
];

#[test]
fn migrations_that_have_landed_stay_as_they_are() {
    let hash = |bytes: &[u8]| {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
    };
    for (name, length, expected) in LANDED {
        let path = root().join("src/storage/sql/migrations").join(name);
        let bytes = fs::read(path).expect("a migration that has landed is never removed");
        assert_eq!(
            (bytes.len(), hash(&bytes)),
            (*length, *expected),
            "{name} is in databases of users as it was: write a new migration"
        );
    }
}

#[test]
fn only_storage_speaks_sql() {
    let sql = |text: &str| {
        [
            "SELECT ",
            "INSERT INTO ",
            "UPDATE ",
            "DELETE FROM ",
            "CREATE TABLE ",
        ]
        .iter()
        .any(|verb| text.contains(verb))
    };
    let speakers: Vec<_> = rust_files("src")
        .into_iter()
        .filter(|file| !name(file).starts_with("src/storage/"))
        .filter(|file| sql(production(&fs::read_to_string(file).expect("text"))))
        .map(|file| name(&file))
        .collect();
    assert_eq!(speakers, Vec::<String>::new());
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut missing = Vec::new();
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        for quoted in text.split('`').skip(1).step_by(2) {
            let looks_like_a_path = ["src/", "crates/", "tests/", "docs/", "benches/"]
                .iter()
                .any(|start| quoted.starts_with(start));
            let pattern = quoted.contains(['{', '*', '<', ' ', '…']);
            if looks_like_a_path && !pattern && !root().join(quoted).exists() {
                missing.push(format!("{document}: {quoted}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_room_is_in_the_architecture() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("a document");
    let unnamed: Vec<_> = MAY_IMPORT
        .iter()
        .map(|(room, _)| *room)
        .filter(|room| !text.contains(&format!("`src/{room}")))
        .collect();
    assert_eq!(unnamed, Vec::<&str>::new());
}

#[test]
fn the_import_reader_sees_imports_and_no_comments() {
    let text =
        "use crate::model::Target;\n// crate::api is not meant\nlet x = crate::storage::open();";
    assert_eq!(imports(text), BTreeSet::from(["model", "storage"]));
}
