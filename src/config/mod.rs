//! SETTINGS ENTER: what people write, and everything that can be wrong with it.

mod file;
mod problem;
mod report;
mod slug;
mod validate;
mod yaml;

pub use file::{FileError, Fingerprint, Loaded, load_file};
pub use problem::{Excerpt, Place, Problem};
pub use report::Problems;

#[cfg(test)]
mod tests;
