//! Admits customers to commands (contract section 1.3), and registers those that a sandbox does
//! not know.

use crate::commands::{Error, Policy, outbox};
use crate::domain::customers::customer::{Admission, Customer, CustomerAccess};
use crate::domain::customers::placeholder;
use crate::domain::customers::profile::Profile;
use crate::domain::escrow::terms::MilestoneTerms;
use crate::domain::ids::{CustomerId, IdSource, MerchantId};
use crate::domain::invalid::Invalid;
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::play_money;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Admits the acting customer, and returns the access that decides what the customer may
/// do. A sandbox that is not strict registers an unknown customer first.
///
/// # Errors
///
/// Refuses an unknown customer, in live mode another merchant's customer, and a blocked customer.
pub fn admit(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor) -> Result<CustomerAccess, Error> {
    admit_customer(tx, policy, actor.merchant, actor.customer())
}

/// Admits the acting party. Always admits the merchant itself.
pub fn admit_party(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor) -> Result<(), Error> {
    if let Party::Customer(customer) = &actor.party {
        admit_customer(tx, policy, actor.merchant, customer)?;
    }
    Ok(())
}

/// Admits the acting party as a seller: a customer with the permission to sell, or a
/// merchant that is a business account.
pub(super) fn admit_seller(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor) -> Result<(), Error> {
    match &actor.party {
        Party::Customer(customer) => Ok(admit_customer(tx, policy, actor.merchant, customer)?.check_may_sell()?),
        Party::Merchant if policy.settings_in_force(tx, actor.merchant)?.is_business => Ok(()),
        Party::Merchant => Err(Refusal::MerchantMayNotSell.into()),
    }
}

/// Admits the beneficiaries of milestones by the rule of [`admit`]. A refusal names the
/// beneficiary and its field.
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
        admit_customer(tx, policy, merchant, beneficiary).map_err(|error| {
            let expected = match error {
                Error::Refused(Refusal::CustomerNotFound | Refusal::CustomerOfAnotherMerchant) => {
                    "a customer of this merchant"
                }
                Error::Refused(Refusal::CustomerBlocked) => "a customer who is not blocked",
                other => return other,
            };
            let field = format!("milestones[{index}].customerId");
            Invalid::wrong(field, expected, &format!("\"{beneficiary}\"")).into()
        })?;
    }
    Ok(())
}

/// Admits a customer by the rule of [`admit`].
pub(super) fn admit_customer(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    id: &CustomerId,
) -> Result<CustomerAccess, Error> {
    if let Some(access) = tx.customer_access(merchant, id)? {
        access.check_active()?;
        return Ok(access);
    }
    let Admission::Register { opening_balance } = policy.admission else {
        // The suites that share a sandbox do not see each other.
        let is_anothers = policy.mode == Mode::Live && tx.any_merchant_has_customer(id)?;
        return Err(Admission::refusal_of_unknown(is_anothers).into());
    };
    let profile = Profile::unknown(policy.settings_in_force(tx, merchant)?.country);
    register(tx, policy, merchant, id.clone(), profile, opening_balance)?;
    Ok(CustomerAccess::NEW_CUSTOMER)
}

/// Registers a customer of a sandbox with this opening balance. Fills the gaps of the profile.
pub(super) fn register(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    id: CustomerId,
    profile: Profile,
    opening_balance: Amount,
) -> Result<(), Error> {
    let profile = with_placeholders(tx, merchant, &id, profile)?;
    let now = tx.now();
    let customer = Customer::new(id, tx.wallet_id(), Some(profile), now);
    tx.insert_customer(merchant, &customer)?;
    give_opening_balance(tx, policy, merchant, &customer.id, opening_balance)
}

/// Returns the profile with a placeholder for an email address and a phone that are missing.
fn with_placeholders(
    tx: &Tx<'_>,
    merchant: MerchantId,
    id: &CustomerId,
    mut profile: Profile,
) -> Result<Profile, Error> {
    for attempt in 0..placeholder::ATTEMPTS {
        if profile.email.is_none() {
            let email = placeholder::email(id, attempt);
            profile.email = tx.customer_by_email(merchant, &email)?.is_none().then_some(email);
        }
        if profile.phone.is_none() {
            let phone = placeholder::phone(id, attempt, profile.country);
            profile.phone = tx.customer_with_phone(merchant, &phone)?.is_none().then_some(phone);
        }
        if profile.email.is_some() && profile.phone.is_some() {
            break;
        }
    }
    Ok(profile)
}

/// Transfers the opening balance into a new customer's wallet.
fn give_opening_balance(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    customer: &CustomerId,
    amount: Amount,
) -> Result<(), Error> {
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let effects = play_money::opening_balance(customer, amount, inside, tx.booking())?;
    Ok(outbox::apply(tx, policy, merchant, &effects, &[])?)
}
