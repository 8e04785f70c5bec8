//! Hashes lists of byte strings.

use sha2::{Digest, Sha256};

/// The SHA-256 of parts. Each comes after its length, so that no two lists of parts are the
/// same bytes.
#[derive(Default)]
pub(super) struct PartsHash(Sha256);

impl PartsHash {
    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update(part.len().to_be_bytes());
        self.0.update(part);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
