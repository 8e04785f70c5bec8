//! The reads of a command that are known before it runs.

use crate::domain::ids::{CustomerId, EscrowId, MerchantId};

/// The rows that a command on a deal will read. On PostgreSQL those of all commands of a group are
/// read together before the first one runs. A command that reads others, or none, is no error.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// The merchant that the command acts for, if it exists.
    pub merchant: Option<MerchantId>,
    /// The customer that the command acts for.
    pub customer: Option<CustomerId>,
    pub deal: EscrowId,
}
