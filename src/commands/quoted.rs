//! The deposits for which money came, by the reference that the payer quotes at the bank.

use crate::commands::{Error, Policy};
use crate::domain::ids::{MerchantId, Reference};
use crate::domain::mode::Mode;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

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
pub(super) fn expected_deposit(
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
