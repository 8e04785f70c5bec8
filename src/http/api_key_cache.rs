//! Which merchant a key belongs to, remembered: a key that was found once is not
//! looked up in the file again, until some key changes hands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::merchant::KeyOwner;
use crate::store::{Error, Store};

/// Keys that are remembered; with one more, all are forgotten and found anew.
const KEYS_MAX: usize = 10_000;

/// Keys that were found in the file, by their SHA-256 hash. A key changes hands only
/// when its sandbox merchant starts over; after that every keyring finds its keys
/// anew, so that what one remembers is true.
#[derive(Debug, Default)]
pub struct ApiKeyCache {
    /// How often a key has changed hands, known to every keyring of the service.
    changes: Arc<AtomicU64>,
    found: RwLock<Found>,
}

/// What was found since the change of this number.
#[derive(Debug, Default)]
struct Found {
    since: u64,
    owners: HashMap<[u8; 32], KeyOwner>,
}

impl ApiKeyCache {
    /// A keyring that remembers nothing yet, and forgets when this one does.
    pub(super) fn beside(&self) -> Self {
        Self {
            changes: Arc::clone(&self.changes),
            found: RwLock::default(),
        }
    }

    /// A key has changed hands: whoever is asked from now on looks it up.
    pub(super) fn forget_everywhere(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Whose the key with this hash is, if it is known.
    pub(super) fn owner_of_key(&self, store: &Store, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
        let now = self.changes.load(Ordering::Acquire);
        let remembered = self.remembered(key_hash, now);
        if remembered.is_some() {
            return Ok(remembered);
        }
        let owner = store.read(|snapshot| snapshot.owner_of_key(key_hash))?;
        if let Some(owner) = owner {
            self.remember(*key_hash, owner, now);
        }
        Ok(owner)
    }

    fn remembered(&self, key_hash: &[u8; 32], now: u64) -> Option<KeyOwner> {
        let found = self.found.read().unwrap_or_else(PoisonError::into_inner);
        let is_true = found.since == now;
        found.owners.get(key_hash).copied().filter(|_| is_true)
    }

    /// Remembers what was looked up when `now` was the newest change. What was looked
    /// up before another is remembered as of then, and so believed by nobody.
    fn remember(&self, key_hash: [u8; 32], owner: KeyOwner, now: u64) {
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        if found.since != now || found.owners.len() >= KEYS_MAX {
            found.owners.clear();
            found.since = now;
        }
        found.owners.insert(key_hash, owner);
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

    /// A worker reads the file, the key changes hands, and only then the worker gets
    /// round to remembering what it read.
    #[test]
    fn what_was_looked_up_before_a_change_is_not_believed_after_it() {
        let keyring = ApiKeyCache::default();
        let of_other_worker = keyring.beside();
        keyring.remember(KEY, owner(1), 0);
        assert_eq!(keyring.remembered(&KEY, 0), Some(owner(1)));
        of_other_worker.forget_everywhere();
        assert_eq!(keyring.changes.load(Ordering::Acquire), 1);
        assert_eq!(keyring.remembered(&KEY, 1), None);
        keyring.remember(KEY, owner(1), 0);
        assert_eq!(keyring.remembered(&KEY, 1), None);
        keyring.remember(KEY, owner(2), 1);
        assert_eq!(keyring.remembered(&KEY, 1), Some(owner(2)));
        // One that is late even now costs the others a look at the file, and no more.
        keyring.remember(KEY, owner(1), 0);
        assert_eq!(keyring.remembered(&KEY, 1), None);
    }
}
