//! CSV files: statements of banks and results of pay-outs come in, reports go out.
//!
//! A file is read to its end before it is refused, so that its errors are known together.

mod amount;
mod date;
pub mod errors;
pub mod payout_results;
pub mod report;
pub mod statement;
mod table;
