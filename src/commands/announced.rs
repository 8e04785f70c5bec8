//! The escrows that a deposit names.

use crate::commands::{Error, load_escrow};
use crate::domain::escrow::{self, Escrow};
use crate::domain::ids::{EscrowId, EscrowKey, MerchantId};
use crate::domain::refusal::Refusal;
use crate::domain::transaction::Method;
use crate::store::Tx;

/// Returns an escrow that a deposit names.
///
/// # Errors
///
/// Refuses one that the merchant does not have, and a vault.
pub(super) fn load(tx: &Tx<'_>, merchant: MerchantId, id: &str) -> Result<Escrow, Error> {
    let key = EscrowKey::Id(EscrowId::named(id));
    load_escrow(tx, merchant, &key, Refusal::EscrowNotPayable)
}

/// Checks that the escrows of a deposit have the terms that they had when the customer announced
/// it.
///
/// # Errors
///
/// Refuses changed terms.
pub(super) fn check_terms(tx: &Tx<'_>, merchant: MerchantId, deposit: &Method) -> Result<(), Error> {
    let named = deposit.escrow_ids().iter().map(|id| load(tx, merchant, id));
    let escrows = named.collect::<Result<Vec<_>, _>>()?;
    Ok(escrow::check_terms_agreed(&escrows, deposit.terms_hash())?)
}
