//! The lines of a bank's statement.

use crate::domain::time::Date;
use crate::domain::treasury::signed_amount::SignedAmount;

/// One line of a bank's statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatementLine {
    /// The line of the file, from 1. No two lines of a statement share it.
    pub line: u64,
    /// The day on which the bank counts the money.
    pub value_date: Date,
    /// The amount: above zero if it came in, below if it went out.
    pub amount: SignedAmount,
    /// The reference or narration as the bank wrote it. May be empty.
    pub reference: String,
}
