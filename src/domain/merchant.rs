//! Merchants and what their keys may do (contract section 1.2).

use super::country::Country;
use super::fees::Rates;
use super::ids::MerchantId;

/// Which routes a secret key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Escrows, milestone escrows and categories.
    Business,
    /// Every route.
    SuperAdmin,
}

impl KeyScope {
    /// Both scopes, under their stored names.
    pub const WORDS: [(&'static str, Self); 2] = [
        (Self::Business.as_str(), Self::Business),
        (Self::SuperAdmin.as_str(), Self::SuperAdmin),
    ];

    /// The scope's stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Business => "BUSINESS",
            Self::SuperAdmin => "SUPER_ADMIN",
        }
    }
}

/// Whose a key is, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The merchant.
    pub merchant: MerchantId,
    /// What the key opens.
    pub scope: KeyScope,
}

/// What the operator has decided for one merchant.
#[derive(Clone, Copy, Debug)]
pub struct MerchantSettings {
    /// What its escrows cost.
    pub rates: Rates,
    /// Whether it is a business account, which may sell in its own name.
    pub is_business: bool,
    /// Whether its customers may pay by card.
    pub cards: bool,
    /// Where it is, and its customers are unless somebody says otherwise.
    pub country: Country,
}
