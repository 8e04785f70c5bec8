//! Payments: wallet and card payments, intents, histories, and the simulated banks, cards
//! and blockchain addresses that they use.

pub mod announcement;
pub mod bank;
pub mod card;
pub mod history;
pub mod intent;
pub mod payment;
pub mod request;
pub mod whitelist;
