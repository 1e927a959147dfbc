//! Short names for machines: ids of targets and names of locations.

/// What is allowed, for people.
pub const EXPECTED: &str =
    "up to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit";

const MAX_BYTES: usize = 64;

/// `[a-z0-9][a-z0-9._-]{0,63}`.
pub fn is_valid(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_BYTES
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

/// What `text` may look like as a slug, if something of it is left.
pub fn nearest(text: &str) -> Option<String> {
    let mut slug = String::new();
    for character in text.trim().chars().take(4 * MAX_BYTES) {
        match character.to_ascii_lowercase() {
            kept @ ('a'..='z' | '0'..='9') => slug.push(kept),
            kept @ ('.' | '_' | '-') if !slug.is_empty() => slug.push(kept),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(MAX_BYTES);
    slug.truncate(slug.trim_end_matches('-').len());
    is_valid(&slug).then_some(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_and_plain() {
        for text in ["a", "0", "core-router.1_b", &"x".repeat(64)] {
            assert!(is_valid(text), "{text}");
        }
        for text in ["", "-a", ".a", "A", "a b", "é", "a/b", &"x".repeat(65)] {
            assert!(!is_valid(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_slug_gets_a_suggestion() {
        assert_eq!(nearest("Core Router #1!").as_deref(), Some("core-router-1"));
        assert_eq!(
            nearest(&"Ab ".repeat(60)).map(|slug| slug.len() <= 64),
            Some(true)
        );
        assert_eq!(nearest("日本"), None);
    }
}
