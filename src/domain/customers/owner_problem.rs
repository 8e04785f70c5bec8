//! The problems that keep a customer who asked for a withdrawal from getting it.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// The problem of the owner of an open pay-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[cfg_attr(test, derive(Default))]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum OwnerProblem {
    /// The merchant has blocked the customer.
    #[cfg_attr(test, default)]
    Blocked,
    /// The customer has no permission to withdraw.
    MayNotWithdraw,
}

impl OwnerProblem {
    /// Returns the problem in words that follow "The customer".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Blocked => "is blocked",
            Self::MayNotWithdraw => "may not withdraw any more",
        }
    }
}
