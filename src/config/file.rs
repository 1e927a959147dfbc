//! A targets file: from a path to declared targets, or to everything that is wrong.
//!
//! Leaves out watching for changes (`reload`).

use std::path::Path;

use super::content::{Content, Fingerprint};
use super::file_error::FileError;
use super::problem::Problem;
use super::report::Report;
use super::{validate, yaml};
use crate::model::Declared;

/// A targets file that can be applied.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// In the order of the file.
    pub declared: Vec<Declared>,
    /// What is odd but can be applied.
    pub warnings: Vec<Problem>,
    /// Whether the file says nothing of targets at all, as opposed to `targets: []`.
    pub empty: bool,
    pub fingerprint: Fingerprint,
}

/// Reads and validates the file at `path`.
pub fn load_file(path: &Path) -> Result<Loaded, FileError> {
    parse(&Content::read(path)?)
}

/// What `content` declares.
pub fn parse(content: &Content) -> Result<Loaded, FileError> {
    let fingerprint = content.fingerprint;
    let invalid = |problems| FileError::Invalid {
        problems,
        fingerprint,
    };
    let text = content
        .text()
        .map_err(|problem| invalid((*problem).into()))?;
    let mut report = Report::default();
    let tree = yaml::parse(text, &mut report);
    let declarations = validate::document(&tree, &mut report);
    let failed = report.has_errors();
    let (errors, warnings) = report.finish(&content.file, text);
    if failed {
        return Err(invalid(errors));
    }
    let omitted = warnings.omitted;
    let mut warnings = warnings.shown;
    if omitted > 0 {
        let message = format!("{omitted} more warnings like these");
        warnings.push(Problem::whole(
            &content.file,
            message,
            "see to the first ones",
        ));
    }
    if declarations.targets.is_empty() {
        let hint =
            "add one below `targets:`, like `- {name: router, type: icmp, host: 192.168.1.1}`";
        warnings.push(Problem::whole(
            &content.file,
            "the file has no targets",
            hint,
        ));
    }
    Ok(Loaded {
        declared: declarations.targets,
        warnings,
        empty: declarations.is_empty,
        fingerprint,
    })
}

/// Why a file that says nothing of targets is not applied over one that had `before`.
pub fn suddenly_empty(content: &Content, before: usize) -> FileError {
    let message = "the file says nothing of targets any more";
    let hint = format!(
        "the {before} targets of before stay, in case the file was caught while it was saved; to remove them all write `targets: []`"
    );
    FileError::Invalid {
        problems: Problem::whole(&content.file, message, hint).into(),
        fingerprint: content.fingerprint,
    }
}
