//! Commands: every write of the service, one file for each family.
//!
//! A command runs inside one [`Tx`](crate::store::Tx). It loads the rows that the domain needs
//! to decide, lets the domain decide, and saves the decision. It has no rule of its own. A
//! command that acts for a customer first admits the customer, then checks the body, then reads
//! the stored objects, because the order in which refusals are found is part of the contract
//! (section 9.3, row 64).

pub mod admission;
pub mod cards;
pub mod categories;
pub mod clocks;
pub mod customers;
mod deals;
pub mod deliveries;
mod deposits;
pub mod disputes;
mod error;
pub mod events;
pub mod idempotency;
pub mod intents;
pub mod merchant_keys;
pub mod merchants;
pub mod milestone_escrows;
pub mod old_events;
pub mod operators;
mod outbox;
pub mod payments;
pub mod payout_batches;
pub mod payouts;
mod policy;
pub mod receipts;
pub mod seeds;
pub mod standard_escrows;
pub mod vaults;
pub mod webhook_endpoints;
pub mod whitelist;

pub use error::Error;
pub use policy::{Policy, SharedPolicy};
