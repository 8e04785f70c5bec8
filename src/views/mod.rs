//! Views: the JSON objects that replies and webhooks send (contract section 3).
//!
//! A view is made from an object of the domain and has the field names of the contract.
//! The contract shows an escrow in three views, which it names by a letter:
//!
//! | View | Sent in | Type |
//! |---|---|---|
//! | R | replies that create, change, read or list an escrow | `EscrowView` |
//! | A | replies to a confirmed payment and a submitted dispute | `DetailedEscrowView` |
//! | W | webhooks | `EventDealView` |

mod category;
mod detailed;
mod dispute;
mod escrow;
mod event_data;
mod operator;
mod page;
mod position;
mod reconciliation;
mod schemas;
mod transaction;
mod vault;

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub(crate) use category::{CategoryPositionView, CategoryView};
pub(crate) use detailed::DetailedEscrowView;
pub(crate) use escrow::{EscrowView, MilestoneView};
pub(crate) use event_data::{PaymentSubject, Subject, event_data, event_schemas};
pub(crate) use operator::{NewOperatorView, OperatorView};
pub(crate) use page::PageView;
pub(crate) use position::PositionView;
pub(crate) use reconciliation::ReconciliationView;
pub(crate) use schemas::{EventName, Words};
pub(crate) use transaction::TransactionView;

use crate::domain::file::FileName;
use crate::domain::money::{Amount, AmountSum};
use crate::domain::party::Party;
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::domain::web_address::origin_of_host;

/// The facts that views depend on beside the object they show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewContext<'a> {
    /// The party that the view is rendered for. `None` for a webhook, and for a reply to a
    /// request that names no party.
    pub(crate) viewer: Option<&'a Party>,
    /// The currency of every amount.
    pub(crate) currency: &'a str,
    /// The base URL of the service, without a slash at its end.
    pub(crate) base_url: &'a str,
    /// The host that the request was sent to, which takes the place of the base URL if it is
    /// well-formed. `None` if the base URL is configured, and for a webhook.
    pub(crate) host: Option<&'a str>,
}

impl ViewContext<'_> {
    fn is(&self, party: &Party) -> bool {
        self.viewer == Some(party)
    }

    fn file_url(&self, file: FileName) -> String {
        self.url(&format!("/files/{file}"))
    }

    /// Returns the address of a path of the service.
    pub(crate) fn url(&self, path: &str) -> String {
        match self.host.and_then(origin_of_host) {
            Some(origin) => format!("{origin}{path}"),
            None => format!("{}{path}", self.base_url),
        }
    }
}

/// Serializes a value as a JSON string in its `Display` form, without an intermediate
/// string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsText<T>(pub(crate) T);

impl<T: Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Serializes an amount as a JSON number of major units, such as `1500` or `100.2`. The
/// digits are written as they are, never through a floating-point number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MajorUnits(pub(crate) Amount);

impl Serialize for MajorUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(whole) = self.0.whole_major() {
            return serializer.serialize_i64(whole);
        }
        let digits = RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        digits.serialize(serializer)
    }
}

/// Serializes a sum of amounts as [`MajorUnits`] does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SumInMajorUnits(pub(crate) AmountSum);

impl Serialize for SumInMajorUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        digits.serialize(serializer)
    }
}

/// Serializes an amount above or below zero as [`MajorUnits`] does, such as `-0.5`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SignedMajorUnits(pub(crate) SignedAmount);

impl Serialize for SignedMajorUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let minor = self.0.minor();
        let size =
            Amount::from_minor(minor.abs()).ok_or_else(|| serde::ser::Error::custom("an amount beyond its bound"))?;
        if minor >= 0 {
            return MajorUnits(size).serialize(serializer);
        }
        let digits = RawValue::from_string(format!("-{size}")).map_err(serde::ser::Error::custom)?;
        digits.serialize(serializer)
    }
}
