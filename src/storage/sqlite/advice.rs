//! Why a database file cannot be opened, in words that say what to do.

use std::path::Path;

use super::super::StoreError;

/// What keeps a database file from being opened, where the file system tells more than SQLite does.
pub fn advice(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some("is a folder; DATABASE_URL needs a file in it, such as pingu.db".to_owned());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let folder = folder.display();
        return Some(format!(
            "the folder {folder} does not exist; create it, or change DATABASE_URL"
        ));
    }
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    let (what, whose) = match path.exists() {
        // SQLite makes two files beside its own
        true if writable(path) && writable(folder) => return None,
        true if writable(folder) => ("the file", path),
        _ if writable(folder) => return None,
        _ => ("the folder", folder),
    };
    let whose = whose.display();
    Some(format!(
        "this user may not write to {what} {whose}; change its permissions, or DATABASE_URL"
    ))
}

/// Puts the file's name before an error that concerns the file as a whole.
pub fn locate(error: StoreError, path: &Path) -> StoreError {
    let file = path.display();
    match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(format!("{file}: {text}")),
        StoreError::Unusable(text) => StoreError::Unusable(format!("{file}: {text}")),
        StoreError::Fault(text) => StoreError::Fault(format!("{file}: {text}")),
        StoreError::Conflict(_) => error,
    }
}
