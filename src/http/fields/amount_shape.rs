//! The form and the least of the amount in a field, for the message of a refusal.

use crate::domain::escrow::limits::TermsLimits;
use crate::domain::money::{Amount, NotAnAmount};

/// An amount that most fields take.
const EXAMPLE: Amount = Amount::from_minor(150_000).expect("1,500 is an amount");

/// The amounts that a field takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AmountShape {
    /// Amounts from this one on.
    AtLeast(Amount),
    /// Amounts from this one on that whole numbers add up to.
    SumOfWhole(Amount),
    /// Whole numbers above 0.
    Whole,
}

impl AmountShape {
    /// Returns the shape of a milestone's amount.
    pub(crate) const fn of_milestone(limits: &TermsLimits) -> Self {
        if limits.is_strict {
            Self::AtLeast(Amount::ONE_MAJOR)
        } else {
            Self::Whole
        }
    }

    /// Returns the shape of the amount of an escrow with milestones.
    pub(crate) const fn of_milestones_together(limits: &TermsLimits) -> Self {
        if limits.is_strict {
            Self::AtLeast(limits.amount_min)
        } else {
            Self::SumOfWhole(limits.amount_min)
        }
    }

    /// Says what would be right where a value is no amount, to follow "must be".
    pub(super) fn expected_after(self, error: NotAnAmount) -> String {
        match (error, self) {
            (NotAnAmount::TooLarge, _) => format!("a number of at most {}", Amount::MAX),
            (NotAnAmount::NotADecimal, Self::AtLeast(least)) => number_from(least),
            (NotAnAmount::NotADecimal, Self::SumOfWhole(least)) => format!("a number, such as {}", least.max(EXAMPLE)),
            (NotAnAmount::Negative, Self::AtLeast(least) | Self::SumOfWhole(least)) => {
                format!("a number of {least} or more")
            }
            (NotAnAmount::TooManyDecimals, Self::AtLeast(_) | Self::SumOfWhole(_)) => {
                "a number with at most two decimals".to_owned()
            }
            (NotAnAmount::NotADecimal, Self::Whole) => "a positive whole number, such as 1500".to_owned(),
            (NotAnAmount::Negative, Self::Whole) => "a positive whole number".to_owned(),
            (NotAnAmount::TooManyDecimals, Self::Whole) => TermsLimits::WHOLE_MILESTONE.to_owned(),
        }
    }
}

/// Describes a number with two examples that are not below the least.
fn number_from(least: Amount) -> String {
    let broken = Amount::from_minor(9_995).unwrap_or(least);
    if least <= broken {
        return format!("a number, such as 1500 or {broken}");
    }
    format!(
        "a number, such as {least} or {}",
        least.checked_add(broken).unwrap_or(least)
    )
}
