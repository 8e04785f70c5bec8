//! Money in and out through the operator's bank account. No bank is connected: people move
//! the money, record what they did, and escrowd keeps account of where it should be.

pub mod act;
pub mod operator;
pub mod payout;
pub mod receipt;
