//! The API key cache: the owners of keys that the server has already read from the file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::merchant::KeyOwner;
use crate::store::{Error, Store};

/// The most keys in one cache. To make room for one more, the cache drops all of them.
const KEYS_MAX: usize = 10_000;

/// The owners of keys. Each worker has a cache of its own.
///
/// All caches share a version number. A reset of a sandbox merchant, the only event that
/// changes the owner of a key, raises it. Entries with an older version are invalid.
#[derive(Debug, Default)]
pub struct ApiKeyCache {
    /// The number of invalidations.
    version: Arc<AtomicU64>,
    entries: RwLock<Entries>,
}

/// Keys and owners, all read at the same version.
#[derive(Debug, Default)]
struct Entries {
    version: u64,
    /// By the key's SHA-256 hash.
    owners: HashMap<[u8; 32], KeyOwner>,
}

impl ApiKeyCache {
    /// Returns an empty cache that shares this one's version, for another worker.
    pub(super) fn for_worker(&self) -> Self {
        Self {
            version: Arc::clone(&self.version),
            entries: RwLock::default(),
        }
    }

    /// Makes every worker's entries invalid. Call this after a key has changed its owner.
    pub(super) fn invalidate_all(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Returns the owner of the key with this hash, if the key is known.
    pub(super) fn owner_of_key(&self, store: &Store, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
        // Load the version before the lookup. If the owner changes meanwhile, the cache
        // stores the old owner with the old version, and that entry is never used.
        let version = self.version.load(Ordering::Acquire);
        let cached = self.get(key_hash, version);
        if cached.is_some() {
            return Ok(cached);
        }
        let owner = store.read(|snapshot| snapshot.owner_of_key(key_hash))?;
        if let Some(owner) = owner {
            self.insert(*key_hash, owner, version);
        }
        Ok(owner)
    }

    fn get(&self, key_hash: &[u8; 32], version: u64) -> Option<KeyOwner> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let is_valid = entries.version == version;
        entries.owners.get(key_hash).copied().filter(|_| is_valid)
    }

    fn insert(&self, key_hash: [u8; 32], owner: KeyOwner, version: u64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.version != version || entries.owners.len() >= KEYS_MAX {
            entries.owners.clear();
            entries.version = version;
        }
        entries.owners.insert(key_hash, owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::MerchantId;
    use crate::domain::merchant::KeyScope;

    const KEY: [u8; 32] = [1; 32];

    const fn owner(merchant: i64) -> KeyOwner {
        KeyOwner {
            merchant: MerchantId(merchant),
            scope: KeyScope::SuperAdmin,
        }
    }

    /// One worker looks a key up. Before it inserts the owner that it found, another
    /// worker changes the key's owner.
    #[test]
    fn an_owner_found_before_a_change_is_invalid_after_it() {
        let cache = ApiKeyCache::default();
        let of_other_worker = cache.for_worker();
        cache.insert(KEY, owner(1), 0);
        assert_eq!(cache.get(&KEY, 0), Some(owner(1)));
        of_other_worker.invalidate_all();
        assert_eq!(cache.version.load(Ordering::Acquire), 1);
        assert_eq!(cache.get(&KEY, 1), None);
        cache.insert(KEY, owner(1), 0);
        assert_eq!(cache.get(&KEY, 1), None);
        cache.insert(KEY, owner(2), 1);
        assert_eq!(cache.get(&KEY, 1), Some(owner(2)));
        // A late insert of an old owner costs only one more lookup.
        cache.insert(KEY, owner(1), 0);
        assert_eq!(cache.get(&KEY, 1), None);
    }
}
