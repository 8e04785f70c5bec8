//! Addresses that crypto withdrawals may go to (contract section 4.11). No chain
//! is ever asked: all crypto is played.

use sha2::{Digest, Sha256};

use crate::domain::ids::{MerchantId, WhitelistAddressId};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// Most addresses of one customer.
pub const ADDRESSES_MAX: usize = 10;
/// Characters of a label.
pub const LABEL_CHARS_MAX: usize = 50;
/// The one network there is.
pub const NETWORK: &str = "BSC";

/// An address of an account on an EVM chain: `0x` and 40 hex characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvmAddress(String);

impl EvmAddress {
    /// What an address looks like, for people.
    pub const SHAPE: &'static str = "a wallet address: 0x and 40 hex characters";

    /// The address this text is, or `None` when it is not of
    /// [`EvmAddress::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let is_address = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_address.then(|| Self(text.to_owned()))
    }

    /// The address that deposits to a merchant would go to. Nobody has a key to it.
    pub fn of_merchant(merchant: MerchantId) -> Self {
        let hash: [u8; 32] = Sha256::digest(format!("a simulated deposit address of merchant {}", merchant.0)).into();
        Self(format!("0x{}", hex::encode(&hash[..20])))
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a customer sends to whitelist an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitelistRequest {
    /// The address.
    pub wallet_address: EvmAddress,
    /// What the customer calls it.
    pub label: Option<String>,
}

/// An address on a customer's whitelist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitelistAddress {
    /// Its id.
    pub id: WhitelistAddressId,
    /// The address.
    pub wallet_address: EvmAddress,
    /// What the customer calls it.
    pub label: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Whether one more address may be added: not one that is there already, in
/// whatever letter case, then not more than [`ADDRESSES_MAX`].
pub fn check_addition(listed: &[WhitelistAddress], added: &EvmAddress) -> Result<(), Refusal> {
    let is_same = |known: &WhitelistAddress| known.wallet_address.0.eq_ignore_ascii_case(&added.0);
    if listed.iter().any(is_same) {
        return Err(Refusal::AddressAlreadyWhitelisted);
    }
    if listed.len() >= ADDRESSES_MAX {
        return Err(Refusal::WhitelistFull);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_0x_and_40_hex_characters() {
        let of_merchant = EvmAddress::of_merchant(MerchantId(7));
        for text in [
            "0x0123456789abcdefABCDEF0123456789abcdef01",
            &format!("0x{}", "0".repeat(40)),
            of_merchant.as_str(),
        ] {
            assert!(EvmAddress::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "0x",
            "0x0123456789abcdefABCDEF0123456789abcdef0",
            "0x0123456789abcdefABCDEF0123456789abcdef012",
            "0X0123456789abcdefABCDEF0123456789abcdef01",
            "0x0123456789abcdefABCDEF0123456789abcdef0g",
        ] {
            assert!(EvmAddress::parse(text).is_none(), "{text}");
        }
        assert_ne!(of_merchant, EvmAddress::of_merchant(MerchantId(8)));
    }
}
