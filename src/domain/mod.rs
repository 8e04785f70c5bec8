//! The rules of escrow, pure: no clock, no randomness, no SQL, no HTTP.
//!
//! A rule takes values and returns values: a changed [`escrow::Escrow`] with the
//! [`effects::Effects`] to post, or a [`refusal::Refusal`]. Nothing here knows how a
//! value is stored or sent.
//!
//! The files of this folder are the base: money, ids, time, the ledger. The subfolders
//! build on them.

pub mod address_range;
pub mod chain_hash;
pub mod characters;
pub mod currency;
pub mod customers;
pub mod decimal;
pub mod decline;
pub mod effects;
pub mod escrow;
pub mod events;
pub mod fees;
pub mod file;
pub mod idempotency;
pub mod ids;
pub mod invalid;
pub mod last_use;
pub mod ledger;
pub mod ledger_time;
pub mod malformed_json;
pub mod merchant;
pub mod mode;
pub mod money;
pub mod page;
pub mod party;
pub mod payments;
pub mod refusal;
pub mod sandbox;
pub mod secrets;
pub mod text;
pub mod time;
pub mod transaction;
pub mod treasury;
pub mod unset;
pub mod web_address;
