//! Merchants of live mode and their settings. The configuration has the values for a merchant
//! without settings of its own.

use crate::domain::address_range::AddressRange;
use crate::domain::characters::quoted;
use crate::domain::customers::country::Country;
use crate::domain::fees::Rates;
use crate::domain::ids::MerchantId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::DepositAccount;

/// The most characters in the name of a merchant.
pub const NAME_CHARS_MAX: usize = 64;

/// The most ranges of addresses that one merchant allows.
pub const ALLOWED_ADDRESSES_MAX: usize = 100;

/// The settings that every command of a merchant reads. `None` stands for the deployment's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSettings {
    /// True if it may sell in its own name.
    pub is_business: Option<bool>,
    pub country: Option<Country>,
    /// Its part of the fee, in basis points.
    pub commission_bps: Option<u16>,
}

/// The settings of a merchant that are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerchantSettings {
    /// The rates of its escrows' fees.
    pub rates: Rates,
    /// True if it is a business account, which may sell in its own name.
    pub is_business: bool,
    /// True if its customers may pay by card.
    pub cards: bool,
    /// Its country, and that of its customers unless their profile names another.
    pub country: Country,
}

impl MerchantSettings {
    /// Returns the settings of a merchant with settings of its own, where these are the
    /// deployment's.
    ///
    /// A commission that a change of the configuration has made too high for the platform's
    /// part is lowered to the bound of [`Rates`]. A start of the service refuses one.
    #[must_use]
    pub fn of(self, own: &OwnSettings) -> Self {
        Self {
            rates: own
                .commission_bps
                .map_or(self.rates, |commission| self.rates.with_commission_up_to(commission)),
            is_business: own.is_business.unwrap_or(self.is_business),
            cards: self.cards,
            country: own.country.unwrap_or(self.country),
        }
    }
}

/// A merchant of live mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merchant {
    pub id: MerchantId,
    /// `None` for the merchant of a sandbox key.
    pub name: Option<String>,
    pub own: OwnSettings,
    /// The bank account to which its customers pay. `None` for the deployment's.
    pub deposit_account: Option<DepositAccount>,
    /// The addresses that may use its keys. Empty for all.
    pub allowed_addresses: Vec<AddressRange>,
    /// The key that names it in its web pages. `None` for one that a reset left behind.
    pub publishable_key: Option<PublishableKey>,
    pub created_at: Timestamp,
}

/// A change of one setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// The setting stays as it is.
    #[default]
    Keep,
    /// The setting gets this value. `None` stands for the deployment's.
    Set(Option<T>),
}

impl<T> Change<T> {
    fn apply_to(self, setting: &mut Option<T>) {
        if let Self::Set(value) = self {
            *setting = value;
        }
    }
}

/// A change of a merchant's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    pub is_business: Change<bool>,
    pub country: Change<Country>,
    /// In basis points.
    pub commission_bps: Change<u16>,
    pub deposit_account: Change<DepositAccount>,
    pub allowed_addresses: Change<Vec<AddressRange>>,
}

impl SettingsChange {
    /// Returns the fields that it changes, as requests name them.
    pub fn fields(&self) -> Vec<&'static str> {
        let is_set = [
            ("isBusiness", self.is_business != Change::Keep),
            ("country", self.country != Change::Keep),
            ("commissionBps", self.commission_bps != Change::Keep),
            ("depositAccount", self.deposit_account != Change::Keep),
            ("allowedAddresses", self.allowed_addresses != Change::Keep),
        ];
        is_set
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| name)
            .collect()
    }

    /// Changes the merchant's settings. `rates` are the deployment's.
    ///
    /// # Errors
    ///
    /// Refuses a commission that exceeds the bound of [`Rates`] together with the platform's
    /// part.
    pub fn apply_to(self, merchant: &mut Merchant, rates: Rates) -> Result<(), Refusal> {
        if let Change::Set(Some(commission)) = self.commission_bps {
            check_commission(commission, rates)?;
        }
        self.is_business.apply_to(&mut merchant.own.is_business);
        self.country.apply_to(&mut merchant.own.country);
        self.commission_bps.apply_to(&mut merchant.own.commission_bps);
        self.deposit_account.apply_to(&mut merchant.deposit_account);
        if let Change::Set(addresses) = self.allowed_addresses {
            merchant.allowed_addresses = addresses.unwrap_or_default();
        }
        Ok(())
    }
}

fn check_commission(commission: u16, rates: Rates) -> Result<(), Refusal> {
    if rates.with_commission_up_to(commission).commission_bps() == commission {
        return Ok(());
    }
    let expected = format!(
        "at most {} together with the platform's {} basis points",
        Rates::TOGETHER_MAX_BPS,
        rates.platform_bps()
    );
    Err(Invalid::wrong("commissionBps", expected, &commission.to_string()).into())
}

/// Parses the name of a merchant. A name stands in paths and headers beside numbers of
/// merchants, so it begins with a letter.
///
/// # Errors
///
/// Names the field `name`.
pub fn parse_name(name: String) -> Parsed<String> {
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= NAME_CHARS_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_name {
        return Ok(name);
    }
    let expected = format!("a letter and then letters, digits, dots, hyphens or underscores, at most {NAME_CHARS_MAX}");
    Err(Invalid::wrong("name", expected, &quoted(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> MerchantSettings {
        MerchantSettings {
            rates: Rates::new(200, 30).unwrap(),
            is_business: true,
            cards: false,
            country: Country::NIGERIA,
        }
    }

    fn merchant() -> Merchant {
        Merchant {
            id: MerchantId(1),
            name: Some("acme".to_owned()),
            own: OwnSettings::default(),
            deposit_account: None,
            allowed_addresses: Vec::new(),
            publishable_key: None,
            created_at: Timestamp::from_millis(1).unwrap(),
        }
    }

    #[test]
    fn settings_that_a_merchant_does_not_set_are_the_deployments() {
        assert_eq!(deployment().of(&OwnSettings::default()), deployment());
        let own = OwnSettings {
            is_business: Some(false),
            country: Some(Country::KENYA),
            commission_bps: Some(0),
        };
        let in_force = deployment().of(&own);
        assert_eq!(in_force.rates, Rates::new(200, 0).unwrap());
        assert_eq!((in_force.is_business, in_force.country), (false, Country::KENYA));
    }

    #[test]
    fn a_commission_that_has_become_too_high_is_lowered_to_the_bound() {
        let own = OwnSettings {
            commission_bps: Some(4_900),
            ..OwnSettings::default()
        };
        assert_eq!(deployment().of(&own).rates, Rates::new(200, 4_800).unwrap());
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let mut merchant = merchant();
        let first = SettingsChange {
            commission_bps: Change::Set(Some(50)),
            country: Change::Set(Some(Country::GHANA)),
            ..SettingsChange::default()
        };
        first.apply_to(&mut merchant, deployment().rates).unwrap();
        let second = SettingsChange {
            country: Change::Set(None),
            ..SettingsChange::default()
        };
        second.apply_to(&mut merchant, deployment().rates).unwrap();
        assert_eq!((merchant.own.commission_bps, merchant.own.country), (Some(50), None));
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let (mut changed, before) = (merchant(), merchant());
        let change = SettingsChange {
            is_business: Change::Set(Some(false)),
            commission_bps: Change::Set(Some(4_801)),
            ..SettingsChange::default()
        };
        let refusal = change.apply_to(&mut changed, deployment().rates).unwrap_err();
        assert!(refusal.to_string().contains("commissionBps"), "{refusal}");
        assert_eq!(changed, before);
    }

    #[test]
    fn a_name_begins_with_a_letter() {
        for name in ["acme", "Acme-2", "a", "shop.example_1"] {
            assert!(parse_name(name.to_owned()).is_ok(), "{name}");
        }
        for name in ["", "2", "2nd", "-a", "a b", "a/b", "é", "a\n", &"a".repeat(65)] {
            assert!(parse_name(name.to_owned()).is_err(), "{name}");
        }
    }
}
