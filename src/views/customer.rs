//! Customers (contract section 3.3) and countries (section 4.12).

use serde::Serialize;
use strum::VariantArray;

use crate::domain::customers::country::{Country, Phone};
use crate::domain::customers::customer::{Customer, Permissions};
use crate::domain::customers::profile::{Email, Profile};
use crate::domain::ids::CustomerId;
use crate::views::WireText;

/// The contract's Customer. Every field is sent, with null for an unknown value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerView {
    customer_id: WireText<CustomerId>,
    firstname: Option<String>,
    lastname: Option<String>,
    email: Option<WireText<Email>>,
    phone: Option<WireText<Phone>>,
    bvn: Option<String>,
    status: &'static str,
    blocked_reason: Option<String>,
    blocked_at: Option<String>,
    created_at: String,
    dob: Option<()>,
    permissions: PermissionsView,
    country_id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PermissionsView {
    can_withdraw: bool,
    can_buy: bool,
    can_sell: bool,
}

/// The contract's Country.
#[derive(Debug, Serialize)]
pub(crate) struct CountryView {
    id: &'static str,
    name: &'static str,
    code: &'static str,
}

impl CustomerView {
    /// Shows a customer. One without a country of its own gets the merchant's.
    pub(crate) fn new(customer: Customer, merchant_country: Country) -> Self {
        let country = customer.country(merchant_country);
        let Permissions {
            can_withdraw,
            can_buy,
            can_sell,
        } = customer.permissions;
        let profile = customer.profile.unwrap_or_else(|| Profile::unknown(country));
        Self {
            firstname: profile.firstname,
            lastname: profile.lastname,
            email: profile.email.map(WireText),
            phone: profile.phone.map(WireText),
            bvn: profile.bvn,
            customer_id: WireText(customer.id),
            status: if customer.block.is_some() { "blocked" } else { "active" },
            blocked_at: customer.block.as_ref().map(|block| block.at.long_text()),
            blocked_reason: customer.block.map(|block| block.reason),
            created_at: customer.created_at.to_string(),
            dob: None,
            permissions: PermissionsView {
                can_withdraw,
                can_buy,
                can_sell,
            },
            country_id: country.id(),
        }
    }
}

impl CountryView {
    /// Shows every country that the service supports.
    pub(crate) fn all() -> Vec<Self> {
        let view = |country: Country| Self {
            id: country.id(),
            name: country.name(),
            code: country.code(),
        };
        Country::VARIANTS.iter().copied().map(view).collect()
    }
}
