//! Is there a place for results, and for those that have to wait?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access, statfs, statvfs};

use super::finding::Finding;
use crate::app;
use crate::config::{DatabaseUrl, Settings};

/// Longer than a server that is well ever takes.
const SLOW: Duration = Duration::from_millis(500);
/// Less room than this is filled by a thousand targets within days.
const LITTLE_ROOM: u64 = 1 << 30;
/// File systems on which a WAL cannot be shared or locked reliably (`linux/magic.h`): NFS, SMB, SMB2, CIFS, 9P.
const NETWORK: [u64; 5] = [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x0102_1997];

pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![database(settings).await];
    if let DatabaseUrl::Sqlite(path) = &settings.database {
        findings.extend(disk("database's disk", path, LITTLE_ROOM));
    }
    findings.push(spool(settings));
    findings.extend(disk(
        "spool's disk",
        &settings.spool_path,
        settings.spool_max_bytes,
    ));
    findings
}

async fn database(settings: &Settings) -> Finding {
    let name = "database";
    let began = Instant::now();
    let known = app::known_targets(settings).await;
    let took = began.elapsed();
    let shown = settings.database.to_string();
    match known {
        Err(error) => Finding::bad(name, error.to_string(), "see DATABASE_URL"),
        Ok(_) if took > SLOW => Finding::note(
            name,
            format!("{shown} answered in {} ms", took.as_millis()),
            "see what keeps it busy, or how far away it is: batches wait up to 5 s for it",
        ),
        Ok(Some(targets)) => {
            Finding::good(name, format!("{shown} knows {} targets", targets.len()))
        }
        Ok(None) => Finding::good(
            name,
            format!("{shown} is empty or of an older Pingu; the next start takes care of it"),
        ),
    }
}

fn spool(settings: &Settings) -> Finding {
    let name = "spool";
    let path = &settings.spool_path;
    let place = if path.exists() { path } else { &folder(path) };
    match access(place, Access::WRITE_OK) {
        Ok(()) => Finding::good(name, path.display().to_string()),
        Err(error) => Finding::bad(
            name,
            format!("{} cannot be written: {error}", place.display()),
            "set SPOOL_PATH to a file in a folder that this user may write to",
        ),
    }
}

fn disk(name: &'static str, path: &Path, wanted: u64) -> Vec<Finding> {
    let folder = folder(path);
    let mut findings = Vec::new();
    if let Ok(found) = statfs(&folder)
        && NETWORK.contains(&(found.f_type.cast_unsigned() & 0xffff_ffff))
    {
        findings.push(Finding::bad(
            name,
            format!(
                "{} is on a network file system, where SQLite's WAL does not work",
                folder.display()
            ),
            "put it on a local disk, or use Postgres",
        ));
    }
    let Ok(found) = statvfs(&folder) else {
        return findings;
    };
    let free = found.f_bavail * found.f_frsize;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    if free < wanted {
        findings.push(Finding::note(
            name,
            format!("{:.1} GiB free, {:.1} GiB wanted", gib(free), gib(wanted)),
            "make room, or lower RETENTION_DAYS or SPOOL_MAX_BYTES",
        ));
    } else {
        findings.push(Finding::good(name, format!("{:.1} GiB free", gib(free))));
    }
    findings
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
