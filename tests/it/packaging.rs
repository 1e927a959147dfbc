//! What Pingu is shipped in agrees with the program: settings that exist, commands that exist, ports and folders that meet.
//!
//! Whether an engine accepts the files is not tested here: `docker compose config` and `systemd-analyze verify` say that.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pingu::config::{SETTINGS, Settings};
use regex::Regex;

use crate::pingu::Home;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What a pattern's groups match, each time.
fn all<const N: usize>(pattern: &str, text: &str) -> Vec<[String; N]> {
    let pattern = Regex::new(&format!("(?m){pattern}")).unwrap();
    let found = pattern.captures_iter(text);
    found.map(|it| it.extract().1.map(str::to_owned)).collect()
}

fn the_one<const N: usize>(pattern: &str, text: &str) -> [String; N] {
    let found = all(pattern, text);
    assert_eq!(found.len(), 1, "{pattern}");
    found[0].clone()
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.name == name)
}

fn assert_command(name: &str) {
    let home = Home::new("targets: []\n");
    let output = home.command(&[name, "--help"]).output().unwrap();
    assert!(output.status.success(), "{name}: {output:?}");
}

#[test]
fn the_compose_file_sets_settings_that_exist_to_values_that_are_valid() {
    let compose = file("docker-compose.yml");
    // without a value: passed on where it is set
    for [name] in all(r"^ {2,6}([A-Z][A-Z_]+):$", &compose) {
        assert!(is_setting(&name) || name == "PINGU_REVISION", "{name}");
    }
    let value = Regex::new(r"\$\{[A-Z_]+:-([^}]*)\}").unwrap();
    let set: BTreeMap<_, _> = all(r"^ {2,6}([A-Z][A-Z_]+): (\S.*)$", &compose)
        .into_iter()
        .filter(|[name, _]| !name.starts_with("POSTGRES_"))
        .map(|[name, text]| (name, value.replace_all(&text, "$1").into_owned()))
        .collect();
    for name in set.keys() {
        assert!(is_setting(name), "{name}");
    }
    let pairs = set
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let settings = Settings::from_pairs(pairs).unwrap();

    let [published, inside] = the_one(r"^ +- (127\.0\.0\.1:\d+):(\d+)$", &compose);
    assert_eq!(inside, settings.listen.port().to_string());
    assert!(settings.listen.ip().is_unspecified());
    assert!(file("Makefile").contains(&format!("http://{published}/")));
    for path in [&settings.targets_path, &settings.spool_path] {
        let folder = path.parent().unwrap().display();
        let mounted = Regex::new(&format!(r"(?m)^ +- [a-z.]+:{folder}(:ro)?$")).unwrap();
        assert!(mounted.is_match(&compose), "{folder}");
    }
    for [command] in all(r"^    command: \[([a-z]+)\]$", &compose) {
        assert_command(&command);
    }
    assert_eq!(all::<1>(r"^    command: \[([a-z]+)\]$", &compose).len(), 2);
}

/// glibc's own (mallopt(3)): freed memory goes back to the system.
const ARENA: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

#[test]
fn the_image_is_built_and_started_with_what_there_is() {
    let dockerfile = file("Dockerfile");
    let [rust] = the_one(r"^FROM rust:([0-9.]+)-", &dockerfile);
    let [pinned] = the_one(r#"^channel = "([0-9.]+)"$"#, &file("rust-toolchain.toml"));
    let [named] = the_one(r"^ENV RUSTUP_TOOLCHAIN=(\S+)$", &dockerfile);
    assert_eq!((&rust, &named), (&pinned, &pinned));
    let [profile] = the_one(r"--profile (\S+) --locked", &dockerfile);
    assert!(file("Cargo.toml").contains(&format!("[profile.{profile}]")));
    assert!(dockerfile.contains(&format!("target/{profile}/pingu ")));

    let settings = the_one::<1>(r"^ENV (TARGETS_PATH=(?:.*\\\n)*.*)$", &dockerfile);
    let pairs = settings[0].split_whitespace().filter(|word| *word != "\\");
    let pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap()).collect();
    let (settings, others): (Vec<_>, Vec<_>) = pairs.iter().partition(|it| is_setting(it.0));
    assert_eq!(others, [ARENA]);
    let settings = Settings::from_pairs(settings).unwrap();
    let [exposed] = the_one(r"^EXPOSE (\d+)$", &dockerfile);
    assert_eq!(exposed, settings.listen.port().to_string());
    for [command] in all(
        r#"CMD \[(?:"/usr/local/bin/pingu", )?"([a-z]+)"\]$"#,
        &dockerfile,
    ) {
        assert_command(&command);
    }
    // numeric, so that Kubernetes can tell that it is not root
    let [user] = the_one(r"^USER (\d+):\d+$", &dockerfile);
    assert_ne!(user, "0");

    for [path] in all(r"^!(\S+)$", &file(".dockerignore")) {
        assert!(exists(&path), "{path}");
    }
}

#[test]
fn the_image_has_a_dashboard_of_its_own_making() {
    let dockerfile = file("Dockerfile");
    let [node] = the_one(r"^FROM node:(\d+)-\S+ AS web$", &dockerfile);
    let [least] = the_one(
        r#""node": ">=([0-9]+)\.[0-9]+""#,
        &file("crates/pingu-web/web/package.json"),
    );
    assert!(node.parse::<u32>().unwrap() > least.parse::<u32>().unwrap());

    let stage = dockerfile.split("FROM ").find(|it| it.starts_with("node:"));
    let ignored = file(".dockerignore");
    let let_in: Vec<_> = all(r"^!(\S+)$", &ignored);
    let mut copied = 0;
    for [sources] in all(r"^COPY (.*) \S+$", stage.unwrap()) {
        for path in sources.split(' ') {
            assert!(exists(path), "{path}");
            let enters = let_in
                .iter()
                .any(|[way]| Path::new(path).starts_with(Path::new(way)));
            assert!(enters, "{path} is kept out of the image by .dockerignore");
            copied += 1;
        }
    }
    assert!(copied > 4);
    // what a machine has built stays there; the folder is needed
    assert!(
        ignored.contains("\ncrates/pingu-web/web/dist/*\n!crates/pingu-web/web/dist/.gitignore\n")
    );
    let dist = "/src/crates/pingu-web/web/dist crates/pingu-web/web/dist";
    assert!(dockerfile.contains(&format!("COPY . .\nCOPY --from=web {dist}\n")));
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

#[test]
fn the_unit_starts_what_there_is() {
    let unit = file("packaging/pingu.service");
    let [command] = the_one(r"^ExecStart=/usr/local/bin/pingu ([a-z]+)$", &unit);
    assert_command(&command);
    for [name, value] in all(r"^Environment=([A-Z_]+)=(.*)$", &unit) {
        assert!(is_setting(&name) || (&*name, &*value) == ARENA, "{name}");
    }
}
