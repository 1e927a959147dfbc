//! The variables that a targets file may refer to: those of the process, and those of its `.env` file.
//!
//! Values are secrets: they leave here only in a type that prints nothing of them. The process's own win, as with settings. Sets no
//! variables of the process: that would be unsound once threads run.

use std::collections::HashMap;
use std::env;
use std::sync::{PoisonError, RwLock};

use secrecy::SecretString;

/// What `.env` says.
static LENT: RwLock<Option<HashMap<String, SecretString>>> = RwLock::new(None);

/// The value of a variable; nothing where it is not set, is empty or is no UTF-8.
///
/// An empty one counts as not set: an empty password is a mistake of whoever passed it on.
pub fn variable(name: &str) -> Option<SecretString> {
    let own = env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(own) = own {
        return Some(own.into());
    }
    let lent = LENT.read().unwrap_or_else(PoisonError::into_inner);
    lent.as_ref()?.get(name).cloned()
}

/// Adds what the process itself does not have. Of equal names the last one counts.
pub fn lend(pairs: impl IntoIterator<Item = (String, String)>) {
    let mut lent = LENT.write().unwrap_or_else(PoisonError::into_inner);
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs = pairs.map(|(name, value)| (name, value.into()));
    lent.get_or_insert_default().extend(pairs);
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn value(name: &str) -> Option<String> {
        variable(name).map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn the_process_comes_before_what_was_lent() {
        let pairs = [
            ("CARGO_PKG_NAME", "another"),
            ("PINGU_LENT", "yes"),
            ("PINGU_EMPTY", ""),
        ];
        lend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(value("CARGO_PKG_NAME").as_deref(), Some("pingu"));
        assert_eq!(value("PINGU_LENT").as_deref(), Some("yes"));
        assert_eq!(value("PINGU_EMPTY"), None);
        assert_eq!(value("PINGU_NOBODY_SET_THIS"), None);
    }
}
