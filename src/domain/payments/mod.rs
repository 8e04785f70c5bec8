//! Payments: wallet and card payments, intents, histories, and the simulated banks,
//! cards and addresses they use.

pub mod bank;
pub mod card;
pub mod history;
pub mod intent;
pub mod payment;
pub mod whitelist;
