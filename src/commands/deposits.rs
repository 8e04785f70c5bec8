//! The deposits that customers have announced: the escrows that one names, and the reference that its
//! payer quotes at the bank.

use crate::commands::deals::load_escrow;
use crate::commands::{Error, Policy};
use crate::domain::escrow::{self, Escrow};
use crate::domain::ids::{EscrowId, EscrowKey, MerchantId, Reference};
use crate::domain::mode::Mode;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::Method;
use crate::store::Tx;

/// Returns an escrow that a deposit names.
///
/// # Errors
///
/// Refuses one that the merchant does not have, and a vault.
pub(super) fn load_named_escrow(tx: &Tx<'_>, merchant: MerchantId, id: &str) -> Result<Escrow, Error> {
    let key = EscrowKey::Id(EscrowId::named(id));
    load_escrow(tx, merchant, &key, Refusal::EscrowNotPayable)
}

/// Checks that the escrows of a deposit have the terms that they had when the customer announced
/// it.
///
/// # Errors
///
/// Refuses changed terms.
pub(super) fn check_terms_agreed(tx: &Tx<'_>, merchant: MerchantId, deposit: &Method) -> Result<(), Error> {
    let named = deposit
        .escrow_ids()
        .iter()
        .map(|id| load_named_escrow(tx, merchant, id));
    let escrows = named.collect::<Result<Vec<_>, _>>()?;
    Ok(escrow::check_terms_agreed(&escrows, deposit.terms_hash())?)
}

/// Returns the merchant's deposit that a reference names: in a sandbox by the payment's own reference,
/// in live mode by what the payer quotes, or else by the payment's own.
pub(super) fn find(
    tx: &Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    reference: &Reference,
) -> Result<Option<Payment>, Error> {
    if policy.mode == Mode::Live
        && let Some(deposit) = tx.deposit_quoted(merchant, reference)?
    {
        return Ok(Some(deposit));
    }
    Ok(tx.deposit_with_reference(merchant, reference)?)
}

/// Returns the deposit for which money came with this reference.
///
/// # Errors
///
/// Refuses an unknown reference and, in live mode, a payment's own reference: the bank account may be that
/// of several merchants, each of which chooses these references for itself.
pub(super) fn find_quoted(
    tx: &Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    reference: &Reference,
) -> Result<Payment, Error> {
    let deposit = find(tx, policy, merchant, reference)?.ok_or(Refusal::DepositNotFound)?;
    if policy.mode == Mode::Live && reference.maker_of_quoted() != Some(deposit.transaction.id) {
        let quoted = deposit.transaction.quoted_reference(policy.mode);
        return Err(Refusal::ReferenceNotQuoted { quoted }.into());
    }
    Ok(deposit)
}
