//! Merchants, their keys and their settings (contract section 1.2).

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr};

use crate::domain::customers::country::Country;
use crate::domain::events::webhook_endpoint::{ConfiguredWebhookEndpoint, SigningSecret};
use crate::domain::fees::Rates;
use crate::domain::ids::MerchantId;
use crate::domain::transaction::DepositAccount;

/// The routes that a secret key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
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

/// A sandbox key. Its first use creates a merchant.
#[derive(Clone, Debug)]
pub struct SandboxKey {
    hash: [u8; 32],
    signing_secret: SigningSecret,
}

impl SandboxKey {
    /// The signing secret of the default merchant, whose requests carry no key.
    const DEFAULT_SECRET: &'static str = "sk_test_default";

    /// Returns the key of this text. The empty text is the key of the default merchant.
    pub fn new(text: &str) -> Self {
        Self {
            hash: Sha256::digest(text).into(),
            signing_secret: SigningSecret::new(if text.is_empty() { Self::DEFAULT_SECRET } else { text }),
        }
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

/// The operator's settings for one merchant.
#[derive(Clone, Debug)]
pub struct MerchantSettings {
    /// The rates of its escrows' fees.
    pub rates: Rates,
    /// True if it is a business account, which may sell in its own name.
    pub is_business: bool,
    /// True if its customers may pay by card.
    pub cards: bool,
    /// Its country, and that of its customers unless their profile names another.
    pub country: Country,
    /// Live mode: the bank account to which its customers pay, if there is one.
    pub deposit_account: Option<DepositAccount>,
    /// The secrets that sign the notices of payment providers, by the provider's name.
    pub notice_secrets: Vec<(&'static str, SigningSecret)>,
    /// Its webhook endpoint, unless the merchant has set one itself.
    pub webhook_endpoint: ConfiguredWebhookEndpoint,
}
