//! The API key cache: what the keys give access to that the server has already read from the
//! file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::merchant::key::KeyAccess;
use crate::domain::time::Timestamp;
use crate::store::{Error, Store};

/// The most keys in one cache. To make room for one more, the cache drops all of them.
const KEYS_MAX: usize = 10_000;

/// The access that keys give. Each worker has a cache of its own.
///
/// All caches share a version number. Every change of a key's owner, its end or the addresses
/// that may use it raises the number. Entries with an older version are invalid.
#[derive(Debug, Default)]
pub struct ApiKeyCache {
    /// The number of invalidations.
    version: Arc<AtomicU64>,
    entries: RwLock<Entries>,
}

/// Keys, all read at the same version.
#[derive(Debug, Default)]
struct Entries {
    version: u64,
    /// By the key's SHA-256 hash.
    keys: HashMap<[u8; 32], KeyAccess>,
}

impl ApiKeyCache {
    /// Returns an empty cache of this version, which the store raises too.
    pub fn of(version: Arc<AtomicU64>) -> Self {
        Self {
            version,
            entries: RwLock::default(),
        }
    }

    /// Returns an empty cache that shares this one's version, for another worker.
    pub(super) fn for_worker(&self) -> Self {
        Self {
            version: Arc::clone(&self.version),
            entries: RwLock::default(),
        }
    }

    /// Makes every worker's entries invalid. Call this after a key, or a setting of its
    /// merchant, has changed.
    pub(super) fn invalidate_all(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Returns the number of invalidations so far.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns what the key with this hash gives access to, if the key is in this cache.
    pub(super) fn cached_access(&self, key_hash: &[u8; 32]) -> Option<KeyAccess> {
        self.get(key_hash, self.version.load(Ordering::Acquire))
    }

    /// Returns what the key with this hash gives access to, if the key is known.
    pub(super) async fn access_of_key(&self, store: &Store, key_hash: &[u8; 32]) -> Result<Option<KeyAccess>, Error> {
        // Load the version before the lookup. If the key changes while the store is read, the
        // cache stores the old access with the old version, and that entry is never used.
        let version = self.version.load(Ordering::Acquire);
        let cached = self.get(key_hash, version);
        if cached.is_some() {
            return Ok(cached);
        }
        let key_hash = *key_hash;
        let access = store.read(move |snapshot| snapshot.key_access(&key_hash)).await?;
        if let Some(access) = &access {
            self.insert(key_hash, access.clone(), version);
        }
        Ok(access)
    }

    /// Notes in this cache that a key was used at this time.
    pub(super) fn note_use(&self, key_hash: &[u8; 32], now: Timestamp) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(access) = entries.keys.get_mut(key_hash) {
            access.last_used_at = Some(now);
        }
    }

    fn get(&self, key_hash: &[u8; 32], version: u64) -> Option<KeyAccess> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let is_valid = entries.version == version;
        entries.keys.get(key_hash).filter(|_| is_valid).cloned()
    }

    fn insert(&self, key_hash: [u8; 32], access: KeyAccess, version: u64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.version != version || entries.keys.len() >= KEYS_MAX {
            entries.keys.clear();
            entries.version = version;
        }
        entries.keys.insert(key_hash, access);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::MerchantId;
    use crate::domain::merchant::key::{KeyOwner, KeyScope};

    const KEY: [u8; 32] = [1; 32];

    const fn of_merchant(merchant: i64) -> KeyAccess {
        KeyAccess {
            owner: KeyOwner {
                merchant: MerchantId(merchant),
                scope: KeyScope::SuperAdmin,
            },
            ends_at: None,
            last_used_at: None,
            allowed: None,
        }
    }

    /// One worker looks a key up. Before it inserts the owner that it found, another
    /// worker changes the key's owner.
    #[test]
    fn an_owner_found_before_a_change_is_invalid_after_it() {
        let cache = ApiKeyCache::default();
        let of_other_worker = cache.for_worker();
        cache.insert(KEY, of_merchant(1), 0);
        assert_eq!(cache.get(&KEY, 0), Some(of_merchant(1)));
        of_other_worker.invalidate_all();
        assert_eq!(cache.version.load(Ordering::Acquire), 1);
        assert_eq!(cache.get(&KEY, 1), None);
        cache.insert(KEY, of_merchant(1), 0);
        assert_eq!(cache.get(&KEY, 1), None);
        cache.insert(KEY, of_merchant(2), 1);
        assert_eq!(cache.get(&KEY, 1), Some(of_merchant(2)));
        // A late insert of an old owner costs only one more lookup.
        cache.insert(KEY, of_merchant(1), 0);
        assert_eq!(cache.get(&KEY, 1), None);
    }
}
