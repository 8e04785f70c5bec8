//! Which merchant a key belongs to, remembered: a key that was found once is not
//! looked up in the file again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::domain::merchant::KeyOwner;
use crate::queries;
use crate::store::{Error, Store};

/// Keys that are remembered; with one more, all are forgotten and found anew.
const KEYS_MAX: usize = 10_000;

/// Keys that were found in the file, by their SHA-256 hash. A key never changes
/// hands while the service runs, so what was found stays true.
#[derive(Debug, Default)]
pub struct Keyring {
    found: RwLock<HashMap<[u8; 32], KeyOwner>>,
}

impl Keyring {
    /// Whose the key with this hash is, if it is known.
    pub(super) fn owner_of_key(&self, store: &Store, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
        let remembered = self
            .found
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key_hash)
            .copied();
        if remembered.is_some() {
            return Ok(remembered);
        }
        let owner = queries::owner_of_key(store, key_hash)?;
        if let Some(owner) = owner {
            let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
            if found.len() >= KEYS_MAX {
                found.clear();
            }
            found.insert(*key_hash, owner);
        }
        Ok(owner)
    }
}
