//! The operator's limits for offers, and the checks of single fields against them.
//!
//! A request checks each field with these rules when it reads it, so that the first
//! wrong field in the order of the contract's tables is named. [`Terms`] and
//! [`MilestoneTerms`] check once more, since not every caller reads a request.
//!
//! [`Terms`]: crate::domain::escrow::terms::Terms
//! [`MilestoneTerms`]: crate::domain::escrow::terms::MilestoneTerms

use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::text::{line, prose};

/// Limits for offers of escrows and vaults.
#[derive(Clone, Copy, Debug)]
pub struct TermsLimits {
    /// True if milestone amounts may have decimals and every request must have a delivery
    /// window, as on the hosted API (contract section 8, rows 8.1 and 8.2).
    pub is_strict: bool,
    /// The smallest escrow amount.
    pub amount_min: Amount,
    /// The most milestones of one escrow.
    pub milestones_max: usize,
    /// The longest purpose or milestone title, in characters.
    pub purpose_chars_max: usize,
    /// The longest description, in characters.
    pub description_chars_max: usize,
}

impl TermsLimits {
    /// A description of the right amounts of a milestone without `strict`, for a message about decimals.
    pub const WHOLE_MILESTONE: &'static str = "a positive whole number (the setting strict = true allows two decimals)";

    /// Checks that an escrow amount is not below the smallest.
    pub fn check_amount(&self, amount: Amount) -> Result<(), Invalid> {
        if amount >= self.amount_min {
            return Ok(());
        }
        let expected = format!("at least {}", self.amount_min);
        Err(Invalid::wrong("amount", expected, &amount.to_string()))
    }

    /// Returns a purpose, a title or a name if it is one line that is not too long.
    pub fn purpose(&self, field: &str, text: String) -> Result<String, Invalid> {
        line(field, text, self.purpose_chars_max)
    }

    /// Returns a description if it is not too long. A blank one counts as absent.
    pub fn description(&self, field: &str, text: Option<String>) -> Result<Option<String>, Invalid> {
        prose(field, text, self.description_chars_max)
    }

    /// Checks that a list of milestones is not too long.
    pub fn check_milestone_count(&self, count: usize) -> Result<(), Invalid> {
        if count <= self.milestones_max {
            return Ok(());
        }
        let expected = format!("a list of at most {} milestones", self.milestones_max);
        Err(Invalid::wrong("milestones", expected, &format!("{count} of them")))
    }

    /// Checks that a milestone's amount is a positive number of whole major units or, where
    /// the limits are strict, at least one major unit.
    pub fn check_milestone_amount(&self, field: &str, amount: Amount) -> Result<(), Invalid> {
        let expected = match amount.whole_major() {
            _ if self.is_strict && amount >= Amount::ONE_MAJOR => return Ok(()),
            _ if self.is_strict => "a number of at least 1",
            Some(1..) => return Ok(()),
            Some(_) => "a positive whole number",
            None => Self::WHOLE_MILESTONE,
        };
        Err(Invalid::wrong(field, expected, &amount.to_string()))
    }

    /// Checks that milestones can add up to an amount: it is whole, unless the limits are strict.
    pub fn check_milestone_total(&self, amount: Amount) -> Result<(), Invalid> {
        const EXPECTED: &str = "a whole number in a milestone escrow, since the amounts of milestones are whole \
                                (the setting strict = true allows two decimals)";
        if self.is_strict || amount.whole_major().is_some() {
            return Ok(());
        }
        Err(Invalid::wrong("amount", EXPECTED, &amount.to_string()))
    }
}
