//! SETTINGS ENTER: what people write, and everything that can be wrong with it.

mod database_url;
mod dotenv;
mod file;
mod problem;
mod report;
mod setting;
mod settings;
mod slug;
mod validate;
mod yaml;

pub use database_url::DatabaseUrl;
pub use file::{FileError, Fingerprint, Loaded, load_file};
pub use problem::{Excerpt, Place, Problem};
pub use report::Problems;
pub use setting::{ALL as SETTINGS, Setting};
pub use settings::{LogFormat, Settings, SettingsError};

#[cfg(test)]
mod tests;
