//! Money in and out through the operator's bank account. No bank is connected: people move
//! the money, record what they did, and escrowd keeps account of where it should be. The
//! bank's statement is compared with that account.

pub mod account_statement;
pub mod act;
pub mod bank_period;
pub mod bank_statement;
mod matching;
pub mod movement;
pub mod notice;
pub mod operator;
pub mod payout;
pub mod position;
pub mod receipt;
pub mod reconciliation;
#[cfg(test)]
mod reconciliation_tests;
pub mod reference;
pub mod signed_amount;
