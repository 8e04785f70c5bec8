//! Opening and settling vaults (contract section 4.8).

use crate::commands::admission::admit_customer;
use crate::commands::deals::load_deal;
use crate::commands::{Error, Policy, categories, outbox};
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::vault::{Stake, Vault, VaultOffer, VaultOwner, VaultRequest};
use crate::domain::ids::{CustomerId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Opens a vault and takes the stakes of all participants. If one stake cannot be taken, it
/// takes none.
///
/// # Errors
///
/// Refuses, in this order: an invalid request, the first participant who is not a customer
/// of the merchant or is blocked, the first participant who cannot cover the stake.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    request: Parsed<VaultRequest>,
) -> Result<Vault, Error> {
    let request = request?;
    let category = categories::find(tx, merchant, &Party::Merchant, request.category)?;
    let offer = VaultOffer::new(request, category, &policy.terms_limits, policy.participants_max)?;
    admit_participants(tx, policy, merchant, offer.stakes())?;
    let available = balances(tx, merchant, offer.stakes())?;
    let owner = VaultOwner {
        merchant,
        rates: policy.settings_in_force(tx, merchant)?.rates,
    };
    let (vault, effects) = Vault::open(owner, offer, &available, tx.booking())?;
    tx.insert_vault(&vault)?;
    outbox::apply_of(tx, policy, &vault, &effects)?;
    Ok(vault)
}

/// Pays a vault's pot to one of its participants.
pub fn declare_winner(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    token: PaymentToken,
    winner: Parsed<CustomerId>,
) -> Result<Vault, Error> {
    let winner = winner?;
    let mut vault = load(tx, merchant, token)?;
    let effects = vault.declare_winner(winner, tx.booking())?;
    tx.save_vault_close(&vault)?;
    outbox::apply_of(tx, policy, &vault, &effects)?;
    Ok(vault)
}

/// Gives the stakes back to the participants, less the fee.
pub fn cancel(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, token: PaymentToken) -> Result<Vault, Error> {
    let mut vault = load(tx, merchant, token)?;
    let effects = vault.cancel(tx.booking())?;
    tx.save_vault_close(&vault)?;
    outbox::apply_of(tx, policy, &vault, &effects)?;
    Ok(vault)
}

/// Returns the merchant's vault with this token.
///
/// # Errors
///
/// Refuses, in this order: an unknown token, another merchant's token, an escrow that is
/// not a vault.
fn load(tx: &Tx<'_>, merchant: MerchantId, token: PaymentToken) -> Result<Vault, Error> {
    let key = EscrowKey::Token(token);
    match load_deal(tx, merchant, &key, Refusal::VaultOfAnotherMerchant)? {
        Deal::Vault(vault) => Ok(vault),
        Deal::Escrow(_) => Err(Refusal::NotAVault.into()),
    }
}

/// Admits the participants as customers. A refusal names the participant.
fn admit_participants(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, stakes: &[Stake]) -> Result<(), Error> {
    for Stake { customer, .. } in stakes {
        admit_customer(tx, policy, merchant, customer).map_err(|error| match error {
            Error::Refused(Refusal::CustomerNotFound | Refusal::CustomerOfAnotherMerchant) => {
                Refusal::ParticipantUnknown(customer.clone()).into()
            }
            Error::Refused(Refusal::CustomerBlocked) => Refusal::ParticipantBlocked(customer.clone()).into(),
            other => other,
        })?;
    }
    Ok(())
}

/// Returns the wallet balance of each participant.
fn balances(tx: &Tx<'_>, merchant: MerchantId, stakes: &[Stake]) -> Result<Vec<Amount>, Error> {
    let wallets = stakes.iter().map(|stake| Account::CustomerMain(stake.customer.clone()));
    let balances = wallets.map(|wallet| tx.balance(merchant, &wallet));
    Ok(balances.collect::<Result<_, _>>()?)
}
