//! Merchants and what their keys may do (contract section 1.2).

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr};

use crate::domain::customers::country::Country;
use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl};
use crate::domain::fees::Rates;
use crate::domain::ids::MerchantId;

/// Which routes a secret key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum KeyScope {
    /// Escrows, milestone escrows and categories.
    Business,
    /// Every route.
    SuperAdmin,
}

/// Whose a key is, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The merchant.
    pub merchant: MerchantId,
    /// What the key opens.
    pub scope: KeyScope,
}

/// A sandbox key; its first use makes a merchant.
#[derive(Clone, Debug)]
pub struct SandboxKey {
    hash: [u8; 32],
    signing_secret: SigningSecret,
}

impl SandboxKey {
    /// What signs the events of the merchant that needs no key.
    const DEFAULT_SECRET: &'static str = "sk_test_default";

    /// The key of this text; the empty text is the default merchant's, which needs none.
    pub fn new(text: &str) -> Self {
        Self {
            hash: Sha256::digest(text).into(),
            signing_secret: SigningSecret::new(if text.is_empty() { Self::DEFAULT_SECRET } else { text }),
        }
    }

    /// SHA-256 of the key.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// What signs its merchant's events: the key itself (contract section 7.6).
    pub const fn signing_secret(&self) -> &SigningSecret {
        &self.signing_secret
    }
}

/// What the operator has decided for one merchant.
#[derive(Clone, Debug)]
pub struct MerchantSettings {
    /// What its escrows cost.
    pub rates: Rates,
    /// Whether it is a business account, which may sell in its own name.
    pub is_business: bool,
    /// Whether its customers may pay by card.
    pub cards: bool,
    /// Where it is, and its customers are unless somebody says otherwise.
    pub country: Country,
    /// Where it is told of events, unless it has said otherwise itself.
    pub callback_url: Option<WebhookUrl>,
}
