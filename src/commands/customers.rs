//! How customers come to be.

use super::{Actor, Error, PartyActor, Policy};
use crate::domain::customer::{Customer, Wallet};
use crate::domain::ids::{CustomerId, IdSource, MerchantId};
use crate::domain::ledger::Account;
use crate::domain::party::Party;
use crate::domain::payment;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::terms::MilestoneTerms;
use crate::store::Tx;

/// Lets the acting customer in: one who is not known yet is registered in
/// sandbox mode, and refused in live mode.
pub fn admit(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor) -> Result<(), Error> {
    admit_customer(tx, policy, actor.merchant, &actor.customer)
}

/// Lets in whoever acts; the merchant itself is always let in.
pub(super) fn admit_party(tx: &mut Tx<'_>, policy: &Policy, actor: &PartyActor) -> Result<(), Error> {
    match &actor.party {
        Party::Customer(customer) => admit_customer(tx, policy, actor.merchant, customer),
        Party::Merchant => Ok(()),
    }
}

/// Lets in the customers that milestones name as beneficiaries, by the same
/// rule; one who is refused is named with the field.
pub(super) fn admit_beneficiaries(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    milestones: &[MilestoneTerms],
) -> Result<(), Error> {
    for (index, milestone) in milestones.iter().enumerate() {
        let Some(beneficiary) = &milestone.beneficiary else {
            continue;
        };
        admit_customer(tx, policy, merchant, beneficiary).map_err(|error| match error {
            Error::Refused(Refusal::CustomerNotFound) => {
                let field = format!("milestones[{index}].customerId");
                Invalid::wrong(field, "a customer of this merchant", &format!("\"{beneficiary}\"")).into()
            }
            other => other,
        })?;
    }
    Ok(())
}

/// The acting customer's wallet, for one who may not be known yet.
pub fn wallet(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor) -> Result<Wallet, Error> {
    admit(tx, policy, actor)?;
    tx.wallet(actor.merchant, &actor.customer)?
        .ok_or(Error::Refused(Refusal::CustomerNotFound))
}

/// Lets in any customer by the rule of [`admit`].
pub(super) fn admit_customer(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    id: &CustomerId,
) -> Result<(), Error> {
    if tx.has_customer(merchant, id)? {
        return Ok(());
    }
    let opening_balance = policy.admission.of_unknown()?;
    let customer = Customer {
        id: id.clone(),
        wallet: tx.wallet_id(),
        created_at: tx.now(),
    };
    tx.insert_customer(merchant, &customer)?;
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let now = tx.now();
    let settlement = payment::opening_balance(id, opening_balance, inside, tx, now)?;
    Ok(tx.post(merchant, &settlement)?)
}
