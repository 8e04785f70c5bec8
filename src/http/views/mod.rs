//! What is sent out: the contract's objects, made from the domain's (contract
//! section 3).

mod bank;
mod card;
mod customer;
mod escrow;
mod history;
mod page;
mod transaction;
mod wallet;
mod whitelist;

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub(crate) use bank::{AccountNameView, BankView, PhoneView};
pub(crate) use card::CardView;
pub(crate) use customer::{CountryView, CustomerView};
pub(crate) use escrow::{EscrowView, MilestoneView};
pub(crate) use history::HistoryView;
pub(crate) use page::PageView;
pub(crate) use transaction::TransactionView;
pub(crate) use wallet::{MainBalanceView, WalletView};
pub(crate) use whitelist::{DepositWalletView, WhitelistAddressView};

use crate::domain::money::Amount;

/// Anything with a textual form, written straight into the reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireText<T>(pub(crate) T);

impl<T: Display> Serialize for WireText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An amount as a JSON number of major units, written digit by digit and never
/// through a floating-point number: `1500`, `100.2`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireAmount(pub(crate) Amount);

impl Serialize for WireAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(whole) = self.0.whole_major() {
            return serializer.serialize_i64(whole);
        }
        let digits = RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        digits.serialize(serializer)
    }
}
