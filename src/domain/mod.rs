//! The rules of escrow, pure: no clock, no randomness, no SQL, no HTTP.
//!
//! Everything a rule needs comes in as a value, and what it decides goes out as
//! a value: a changed [`escrow::Escrow`], a [`settlement::Settlement`] of
//! transfers to post, or a [`refusal::Refusal`]. Nothing here knows how it is
//! stored or spoken.

pub mod addresses;
pub mod bank;
pub mod callback;
pub mod card;
pub mod category;
pub mod country;
pub mod customer;
pub mod deal;
pub mod decline;
pub mod delivery;
pub mod dispute;
pub mod escrow;
pub mod event;
pub mod feed;
pub mod fees;
pub mod file;
pub mod history;
pub mod idempotency;
pub mod ids;
pub mod intent;
pub mod ledger;
pub mod listing;
pub mod merchant;
pub mod merchant_clock;
pub mod milestone;
pub mod mode;
pub mod money;
pub mod page;
pub mod party;
pub mod payment;
pub mod profile;
pub mod refusal;
pub mod seed;
pub mod settlement;
pub mod span;
pub mod terms;
pub mod time;
pub mod vault;
pub mod whitelist;
