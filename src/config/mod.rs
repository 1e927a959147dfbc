//! SETTINGS ENTER: what people write, and everything that can be wrong with it.

mod content;
mod database_url;
mod dotenv;
mod file;
mod file_error;
mod observe;
mod problem;
mod reload;
mod report;
mod setting;
mod settings;
mod slug;
mod validate;
mod yaml;

pub use content::Fingerprint;
pub use database_url::DatabaseUrl;
pub use file::{Loaded, load_file};
pub use file_error::FileError;
pub use problem::{Excerpt, Place, Problem};
pub use reload::{FileState, Reload, Watch, watch};
pub use report::Problems;
pub use setting::{ALL as SETTINGS, Setting};
pub use settings::{LogFormat, Settings, SettingsError};
pub use validate::checked_host;

#[cfg(test)]
mod tests;
