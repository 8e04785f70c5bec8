//! The mistakes that clients make in the `authorization` header, with a hint for each.

use crate::domain::invalid::shortened;
use crate::domain::unset::is_unset_variable;
use crate::http::details::{self, Details};

/// A mistake in an `authorization` header that has no key. The reply repeats no other text
/// of the header, which may be a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyMistake {
    /// The header does not begin with `Bearer` and a space.
    Scheme,
    /// Nothing follows `Bearer`.
    Empty,
    /// The text after `Bearer` is what a client sends where it has no key.
    Unset(String),
    /// The key has a character that no key has.
    Characters,
}

/// Returns a key that consists of characters that keys have.
///
/// # Errors
///
/// Returns the mistake of the client.
pub(super) fn checked_key(key: &str) -> Result<&str, KeyMistake> {
    if key.is_empty() {
        Err(KeyMistake::Empty)
    } else if is_unset_variable(key) {
        Err(KeyMistake::Unset(key.to_owned()))
    } else if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(key)
    } else {
        Err(KeyMistake::Characters)
    }
}

impl KeyMistake {
    /// Returns the `details` of the reply.
    pub(super) fn details(&self) -> Details<'static> {
        let (expected, got) = match self {
            Self::Scheme => (
                "Bearer, a space and the key",
                "a header that does not begin with Bearer and a space".to_owned(),
            ),
            Self::Empty => (
                "Bearer, a space and the key; the client's variable for the key is empty",
                "Bearer without a key".to_owned(),
            ),
            Self::Unset(text) => (
                "Bearer, a space and the key; the client's variable for the key has no value",
                format!("Bearer {}", shortened(text)),
            ),
            Self::Characters => (
                "Bearer, a space and a key of printable ASCII characters without spaces",
                "a key with other characters".to_owned(),
            ),
        };
        details::of_header("authorization", expected, got)
    }
}
