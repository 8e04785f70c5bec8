//! Loads the deals that commands act on, and explains the refusals of their rules.

use crate::commands::error::Error;
use crate::commands::policy::Policy;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{EscrowKey, MerchantId};
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Returns a merchant's deal of any settlement type.
///
/// # Errors
///
/// Refuses a deal of another merchant with `if_foreign`, and an unknown key with
/// [`Refusal::EscrowNotFound`].
pub(super) fn load_deal(
    tx: &Tx<'_>,
    merchant: MerchantId,
    key: &EscrowKey,
    if_foreign: Refusal,
) -> Result<Deal, Error> {
    match tx.deal(merchant, key)? {
        Some(deal) => Ok(deal),
        None if tx.any_merchant_has_deal(key)? => Err(if_foreign.into()),
        None => Err(Refusal::EscrowNotFound.into()),
    }
}

/// Returns a merchant's escrow.
///
/// # Errors
///
/// Refuses a vault with `if_vault`, and an unknown key or a deal of another merchant with
/// [`Refusal::EscrowNotFound`].
pub(super) fn load_escrow(
    tx: &Tx<'_>,
    merchant: MerchantId,
    key: &EscrowKey,
    if_vault: Refusal,
) -> Result<Escrow, Error> {
    match tx.deal(merchant, key)?.ok_or(Refusal::EscrowNotFound)? {
        Deal::Escrow(escrow) => Ok(escrow),
        Deal::Vault(vault) => Err(vault.explain(if_vault).into()),
    }
}

/// Returns the outcome of a rule of an escrow. The refusal of an action that the escrow's
/// state does not allow says which ones it does.
pub(super) fn explained<T>(policy: &Policy, escrow: &Escrow, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
    outcome.map_err(|refusal| escrow.explain(refusal, policy.exits()))
}
