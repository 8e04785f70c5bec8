//! The hashes that chain the transfers of a merchant, and the acts of operators, so that a changed
//! or removed one shows.

use std::fmt;

/// The hash of a link of a chain and of all links before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

/// A link of a chain.
pub trait Chained {
    /// Returns the hash of this link, which follows the one with the hash `before`.
    fn hash_after(&self, before: &[u8; 32]) -> [u8; 32];
}

impl ChainHash {
    /// The hash before the first link.
    pub const START: Self = Self([0; 32]);

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the hash of the link that follows the one with this hash.
    #[must_use]
    pub fn followed_by(&self, link: &impl Chained) -> Self {
        Self(link.hash_after(&self.0))
    }
}

/// Formats the hash as 64 lower-case hex characters.
impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_stored_as_its_bytes() {
        let hash = ChainHash([0xa5; 32]);
        assert_eq!(ChainHash::from_bytes(*hash.bytes()), hash);
        assert_ne!(hash, ChainHash::START);
        assert_eq!(hash.to_string(), "a5".repeat(32));
    }
}
