//! Whitelisted blockchain addresses for withdrawals (contract section 4.11). No request
//! leaves the server: blockchains are simulated.

use sha2::{Digest, Sha256};

use crate::domain::ids::{MerchantId, WhitelistAddressId};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// The most addresses of one customer.
pub const ADDRESSES_MAX: usize = 10;
/// The most characters of a label.
pub const LABEL_CHARS_MAX: usize = 50;
/// The only network.
pub const NETWORK: &str = "BSC";

/// An address on an EVM chain: `0x` and 40 hex characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvmAddress(String);

impl EvmAddress {
    /// The shape of an address, for messages.
    pub const SHAPE: &'static str = "a wallet address: 0x and 40 hex characters";

    /// Returns `None` if the text does not have [`EvmAddress::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let is_address = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_address.then(|| Self(text.to_owned()))
    }

    /// Returns the address that deposits to a merchant would go to. Its private key does
    /// not exist.
    pub fn of_merchant(merchant: MerchantId) -> Self {
        let hash: [u8; 32] = Sha256::digest(format!("a simulated deposit address of merchant {}", merchant.0)).into();
        Self(format!("0x{}", hex::encode(&hash[..20])))
    }

    /// Returns the address as the customer wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The parsed request to whitelist an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitelistRequest {
    pub wallet_address: EvmAddress,
    /// The customer's name for the address.
    pub label: Option<String>,
}

/// An address on a customer's whitelist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhitelistAddress {
    pub id: WhitelistAddressId,
    pub wallet_address: EvmAddress,
    /// The customer's name for the address.
    pub label: Option<String>,
    pub created_at: Timestamp,
}

/// Checks that an address may be added.
///
/// # Errors
///
/// Refuses an address that is listed already, in any letter case, and then one that would
/// exceed [`ADDRESSES_MAX`].
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
