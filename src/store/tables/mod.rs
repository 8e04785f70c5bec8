//! The tables, a file for each family, with its reads on [`Snapshot`](crate::store::Snapshot)
//! and its writes on [`Tx`](crate::store::Tx).

// The files below use its macros.
#[macro_use]
pub(crate) mod deal_row;

pub(crate) mod accounts;
pub(crate) mod asked_rulings;
pub(crate) mod cards;
pub(crate) mod categories;
pub(crate) mod checked;
pub(crate) mod clocks;
pub(crate) mod columns;
pub(crate) mod customers;
pub(crate) mod deals;
pub(crate) mod deliveries;
pub(crate) mod disputes;
pub(crate) mod escrows;
pub(crate) mod event_lists;
pub(crate) mod events;
pub(crate) mod expected_deposits;
pub(crate) mod files;
pub(crate) mod idempotency;
pub(crate) mod instance;
pub(crate) mod journal;
pub(crate) mod left_behind;
pub(crate) mod merchant_escrows;
pub(crate) mod merchant_keys;
pub(crate) mod merchant_settings;
pub(crate) mod merchants;
pub(crate) mod operators;
pub(crate) mod party_escrows;
pub(crate) mod payments;
pub(crate) mod payouts;
mod pending_transfers;
pub(crate) mod position;
pub(crate) mod receipts;
pub(crate) mod slow_withdrawals;
pub(crate) mod totals;
pub(crate) mod transfers;
pub(crate) mod vaults;
#[cfg(test)]
mod waiting_tests;
pub(crate) mod webhook_endpoints;
pub(crate) mod whitelist;
