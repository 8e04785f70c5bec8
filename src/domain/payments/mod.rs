//! Payments: wallet and card payments, intents, histories, the play money of a sandbox, and the
//! simulated banks, cards and blockchain addresses that payments use.

pub mod announcement;
pub mod bank;
pub mod card;
pub mod history;
pub mod intent;
pub mod payment;
pub mod play_money;
pub mod request;
pub mod whitelist;
