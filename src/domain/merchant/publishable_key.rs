//! The publishable keys of merchants.
//!
//! A publishable key stands in the merchant's web pages, where everyone can read it. It names
//! the merchant of a checkout session and opens nothing else, so it is no secret.

use std::fmt;

use crate::domain::mode::Mode;

const TEST_PREFIX: &str = "pk_test_";
const LIVE_PREFIX: &str = "pk_live_";

/// The key that names a merchant in its web pages: `pk_test_` or `pk_live_`, and 32 hex
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishableKey(String);

impl PublishableKey {
    /// The shape of a publishable key, for messages.
    pub const SHAPE: &'static str = "a publishable key, which begins with pk_test_ or pk_live_ and has no spaces";

    /// Makes a key of this mode from random bits.
    pub fn from_random(mode: Mode, random: u128) -> Self {
        let prefix = match mode {
            Mode::Sandbox => TEST_PREFIX,
            Mode::Live => LIVE_PREFIX,
        };
        Self(format!("{prefix}{random:032x}"))
    }

    /// Returns the key of a sandbox's default merchant. It is the same in every sandbox, so that
    /// an example works without looking it up.
    pub fn of_default_merchant() -> Self {
        Self(format!("{TEST_PREFIX}default"))
    }

    /// Reads a stored key, or one that a caller sent. Returns `None` if it does not begin as one.
    pub fn parse(text: &str) -> Option<Self> {
        let key = Self(text.to_owned());
        let is_key = key.mode_if_any().is_some() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key.then_some(key)
    }

    /// Returns the mode that the key is for.
    pub fn mode(&self) -> Mode {
        self.mode_if_any().expect("a key begins with the prefix of its mode")
    }

    fn mode_if_any(&self) -> Option<Mode> {
        if self.0.starts_with(TEST_PREFIX) {
            Some(Mode::Sandbox)
        } else {
            self.0.starts_with(LIVE_PREFIX).then_some(Mode::Live)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublishableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_mode() {
        for mode in [Mode::Sandbox, Mode::Live] {
            let key = PublishableKey::from_random(mode, 7);
            assert_eq!(key.as_str().len(), "pk_test_".len() + 32);
            assert_eq!(PublishableKey::parse(key.as_str()), Some(key.clone()));
            assert_eq!(key.mode(), mode);
        }
        assert_eq!(PublishableKey::of_default_merchant().mode(), Mode::Sandbox);
    }

    #[test]
    fn a_secret_key_is_no_publishable_key() {
        for text in ["", "sk_live_1", "pk_", "PK_TEST_1", " pk_test_1", "pk_test_1 "] {
            assert_eq!(PublishableKey::parse(text), None, "{text:?}");
        }
    }
}
