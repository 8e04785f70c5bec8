//! The secret keys of merchants.
//!
//! A key opens routes from its creation until it expires or is revoked. To replace a key
//! without a refused request, a rotation creates the next key and lets both open routes for a
//! while.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::address_range::AddressRange;
use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::domain::ids::MerchantId;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// The beginning of a live key.
pub const LIVE_KEY_PREFIX: &str = "sk_live_";

/// The most characters in the label of a key.
pub const LABEL_CHARS_MAX: usize = 100;

/// The longest overlap of a rotation: 90 days.
pub const OVERLAP_HOURS_MAX: u32 = 90 * 24;

/// The key of a sandbox's default merchant, which signs its webhooks. A request without a key has
/// this one.
const DEFAULT_KEY: &str = "sk_test_default";

/// The characters at the end of a key that are stored.
const ENDING_CHARS: usize = 4;

/// The routes that a secret key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum KeyScope {
    /// Escrows, milestone escrows and categories.
    Business,
    /// Every route.
    SuperAdmin,
}

/// The merchant of a key, and the key's scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    pub merchant: MerchantId,
    pub scope: KeyScope,
}

/// The facts about a key that every request is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAccess {
    pub owner: KeyOwner,
    /// The time from which the key opens nothing. `None` without an end.
    pub ends_at: Option<Timestamp>,
    /// The last use that is stored.
    pub last_used_at: Option<Timestamp>,
    /// The addresses that may use the merchant's keys. `None` for all.
    pub allowed: Option<Arc<[AddressRange]>>,
}

impl KeyAccess {
    /// Returns true if the key opens routes at this time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

/// Returns the time from which a key opens nothing, if it expires or is revoked.
pub fn end_of(expires_at: Option<Timestamp>, revoked_at: Option<Timestamp>) -> Option<Timestamp> {
    expires_at.into_iter().chain(revoked_at).min()
}

/// Returns the seconds of the overlap of a rotation.
pub fn overlap_seconds(hours: u32) -> i64 {
    const HOUR_SECONDS: i64 = 3_600;
    i64::from(hours) * HOUR_SECONDS
}

/// A sandbox key. Its first use creates a merchant.
#[derive(Clone, Debug)]
pub struct SandboxKey {
    hash: [u8; 32],
    signing_secret: SigningSecret,
}

/// Returns the SHA-256 hash by which a secret key is known. The key of the default merchant has that
/// of the empty text, which stands for it.
pub fn hash_of(key: &str) -> [u8; 32] {
    Sha256::digest(if key == DEFAULT_KEY { "" } else { key }).into()
}

impl SandboxKey {
    /// Returns the key of this text. The empty text stands for the key of the default merchant.
    pub fn new(text: &str) -> Self {
        Self {
            hash: hash_of(text),
            signing_secret: SigningSecret::new(if text.is_empty() { DEFAULT_KEY } else { text }),
        }
    }

    /// Returns true for the key of the default merchant.
    pub fn is_of_default_merchant(&self) -> bool {
        self.signing_secret.as_str() == DEFAULT_KEY
    }

    /// Returns the hash that a former version had for the text of the default merchant's key.
    pub fn former_default_hash() -> [u8; 32] {
        Sha256::digest(DEFAULT_KEY).into()
    }

    /// Returns the SHA-256 hash of the key.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns the secret that signs the merchant's webhooks: the key itself (contract
    /// section 7.6).
    pub const fn signing_secret(&self) -> &SigningSecret {
        &self.signing_secret
    }
}

/// The stored facts of a new live key, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub hash: [u8; 32],
    /// The last characters of the key.
    pub ending: String,
}

impl NewKey {
    /// Returns the facts of this key.
    pub fn of(key: &str) -> Self {
        let start = key.len().saturating_sub(ENDING_CHARS);
        Self {
            hash: Sha256::digest(key).into(),
            ending: key.get(start..).unwrap_or_default().to_owned(),
        }
    }
}

/// The id of a key: the first 12 bytes of its hash. A key has 256 random bits, so its id does
/// not lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; Self::BYTES]);

impl KeyId {
    const BYTES: usize = 12;

    /// Returns the id of the key with this SHA-256 hash.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        Self(*hash.first_chunk().expect("a hash is longer than an id"))
    }

    /// Parses 24 lower-case hex characters.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        let id = Self(bytes);
        (id.to_string() == text).then_some(id)
    }

    pub const fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A key of a live merchant. Times are ledger time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantKey {
    /// The SHA-256 hash of the key.
    pub hash: [u8; 32],
    pub scope: KeyScope,
    /// The operator's word for its use.
    pub label: Option<String>,
    /// The last characters of the key.
    pub ending: Option<String>,
    pub created_at: Timestamp,
    /// From then on it opens nothing. `None` without an end.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The last use, to the hour, or to the minute if the key ends.
    pub last_used_at: Option<Timestamp>,
}

impl MerchantKey {
    pub fn id(&self) -> KeyId {
        KeyId::of_hash(&self.hash)
    }

    /// Returns the time from which the key opens nothing.
    pub fn ends_at(&self) -> Option<Timestamp> {
        end_of(self.expires_at, self.revoked_at)
    }

    /// Ends the key at once.
    ///
    /// # Errors
    ///
    /// Refuses a key that has ended already.
    pub fn revoke(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.check_valid_at(now)?;
        self.revoked_at = Some(now);
        Ok(())
    }

    /// Returns the key that follows this one, with its scope and label, and ends this one
    /// after `overlap_seconds`, unless it ends earlier. Without an overlap it ends at once.
    ///
    /// # Errors
    ///
    /// Refuses a key that has ended already.
    pub fn rotate(&mut self, next: NewKey, overlap_seconds: i64, now: Timestamp) -> Result<Self, Refusal> {
        self.check_valid_at(now)?;
        let end = now.seconds_later(overlap_seconds);
        self.expires_at = Some(self.expires_at.map_or(end, |earlier| earlier.min(end)));
        Ok(Self::new(next, self.scope, self.label.clone(), now))
    }

    /// Returns a new key without an end.
    pub fn new(key: NewKey, scope: KeyScope, label: Option<String>, now: Timestamp) -> Self {
        Self {
            hash: key.hash,
            scope,
            label,
            ending: Some(key.ending),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    fn check_valid_at(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.ends_at() {
            Some(end) if end <= now => Err(Refusal::KeyEnded),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_782_123_300_000)
            .unwrap()
            .seconds_later(seconds)
    }

    fn key() -> MerchantKey {
        MerchantKey::new(
            NewKey::of("sk_live_one1"),
            KeyScope::Business,
            Some("shop".to_owned()),
            at(0),
        )
    }

    fn is_valid(key: &MerchantKey, now: Timestamp) -> bool {
        key.check_valid_at(now).is_ok()
    }

    #[test]
    fn both_keys_are_valid_until_the_overlap_ends() {
        let mut old = key();
        let new = old.rotate(NewKey::of("sk_live_two2"), 60, at(10)).unwrap();
        assert!(is_valid(&old, at(69)) && is_valid(&new, at(69)));
        assert!(!is_valid(&old, at(70)) && is_valid(&new, at(70)));
        assert_eq!((new.scope, new.label.as_deref()), (KeyScope::Business, Some("shop")));
        assert_eq!(new.ending.as_deref(), Some("two2"));
        assert_ne!(new.id(), old.id());
    }

    #[test]
    fn an_overlap_is_a_number_of_hours() {
        for (hours, seconds) in [(0, 0), (1, 3_600), (OVERLAP_HOURS_MAX, 7_776_000)] {
            assert_eq!(overlap_seconds(hours), seconds, "{hours}");
        }
    }

    #[test]
    fn without_an_overlap_the_old_key_ends_at_once() {
        let mut old = key();
        old.rotate(NewKey::of("sk_live_two2"), 0, at(10)).unwrap();
        assert!(!is_valid(&old, at(10)));
    }

    #[test]
    fn a_rotation_never_lengthens_the_life_of_a_key() {
        let mut old = key();
        old.rotate(NewKey::of("sk_live_two2"), 60, at(0)).unwrap();
        old.rotate(NewKey::of("sk_live_tri3"), 3_600, at(1)).unwrap();
        assert_eq!(old.ends_at(), Some(at(60)));
    }

    #[test]
    fn a_key_that_has_ended_is_neither_revoked_nor_rotated() {
        let mut revoked = key();
        revoked.revoke(at(5)).unwrap();
        assert_eq!(revoked.revoke(at(6)), Err(Refusal::KeyEnded));
        assert_eq!(revoked.revoked_at, Some(at(5)));
        let mut expired = key();
        expired.expires_at = Some(at(5));
        let next = NewKey::of("sk_live_two2");
        assert_eq!(expired.clone().rotate(next, 60, at(5)), Err(Refusal::KeyEnded));
        assert_eq!(expired.revoke(at(4)), Ok(()));
        assert_eq!(expired.ends_at(), Some(at(4)));
    }

    #[test]
    fn the_default_merchant_has_one_key() {
        let (unsent, sent) = (SandboxKey::new(""), SandboxKey::new(DEFAULT_KEY));
        assert_eq!(
            (unsent.hash(), unsent.signing_secret()),
            (sent.hash(), sent.signing_secret())
        );
        assert!(sent.is_of_default_merchant() && unsent.is_of_default_merchant());
        assert!(!SandboxKey::new("sk_test_defaults").is_of_default_merchant());
        assert_ne!(SandboxKey::former_default_hash(), *sent.hash());
    }

    #[test]
    fn an_id_is_written_as_it_is_read() {
        let id = key().id();
        assert_eq!(id.to_string().len(), 24);
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        assert_eq!(KeyId::parse(&id.to_string().to_uppercase()), None);
        assert_eq!(KeyId::parse("00"), None);
        assert_eq!(NewKey::of("é").ending, "é");
    }
}
