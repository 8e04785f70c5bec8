//! Admitting customers to commands, and a merchant's commands on its customers (contract
//! sections 1.3 and 4.4).

use crate::commands::{Error, Policy, outbox};
use crate::domain::customers::customer::{Admission, Customer, CustomerAccess, PermissionsUpdate};
use crate::domain::customers::profile::{Email, Profile, ProfileRequest, ProfileUpdate, ProfileUpdateRequest};
use crate::domain::escrow::terms::MilestoneTerms;
use crate::domain::ids::{CustomerId, IdSource, MerchantId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::payment;
use crate::domain::refusal::{Invalid, Parsed, Refusal};
use crate::store::Tx;

/// Admits the acting customer, and returns the access that decides what the customer may
/// do. A sandbox that is not strict registers an unknown customer first.
///
/// # Errors
///
/// Refuses an unknown customer, another merchant's customer and a blocked customer.
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
        Party::Merchant if policy.merchant(actor.merchant).is_business => Ok(()),
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
        let is_anothers = tx.any_merchant_has_customer(id)?;
        return Err(Admission::refusal_of_unknown(is_anothers).into());
    };
    let now = tx.now();
    let customer = Customer::new(id.clone(), tx.wallet_id(), None, now);
    tx.insert_customer(merchant, &customer)?;
    give_opening_balance(tx, policy, merchant, id, opening_balance)?;
    Ok(CustomerAccess::NEW_CUSTOMER)
}

/// Transfers the opening balance into a new customer's wallet.
pub(super) fn give_opening_balance(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    customer: &CustomerId,
    amount: Amount,
) -> Result<(), Error> {
    let now = tx.now();
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let effects = payment::opening_balance(customer, amount, inside, tx, now)?;
    Ok(outbox::apply(tx, policy, merchant, &effects, &[])?)
}

/// Registers a customer with an empty wallet under a new id.
///
/// # Errors
///
/// Refuses, in this order: an invalid field, the email address of another customer, the
/// phone of another customer.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    request: Parsed<ProfileRequest>,
) -> Result<Customer, Error> {
    let profile = Profile::new(request?, policy.merchant(merchant).country)?;
    check_unused(tx, merchant, &profile)?;
    let now = tx.now();
    let customer = Customer::new(tx.customer_id(), tx.wallet_id(), Some(profile), now);
    tx.insert_customer(merchant, &customer)?;
    Ok(customer)
}

/// Refuses a new profile whose email address or phone another customer has.
pub(super) fn check_unused(tx: &Tx<'_>, merchant: MerchantId, profile: &Profile) -> Result<(), Error> {
    if let Some(email) = &profile.email
        && tx.customer_by_email(merchant, email)?.is_some()
    {
        return Err(Refusal::EmailExists.into());
    }
    if let Some(phone) = &profile.phone
        && tx.customer_with_phone(merchant, phone)?.is_some()
    {
        return Err(Refusal::PhoneExists.into());
    }
    Ok(())
}

/// Changes the names or the email address of a customer. Creates the profile of a customer
/// without one.
///
/// # Errors
///
/// Refuses, in this order: an invalid field, an update without fields, a customer that the
/// merchant does not have, the email address of another customer.
pub fn update(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    customer: Option<CustomerId>,
    request: Parsed<ProfileUpdateRequest>,
) -> Result<Customer, Error> {
    let update = ProfileUpdate::new(request?)?;
    let mut customer = load(tx, merchant, customer)?;
    if let Some(email) = update.email()
        && is_taken(tx, merchant, &customer, email)?
    {
        return Err(Refusal::EmailTaken.into());
    }
    let country = policy.merchant(merchant).country;
    let profile = customer.profile.take().unwrap_or_else(|| Profile::unknown(country));
    let profile = profile.updated(update);
    tx.save_profile(merchant, &customer.id, &profile)?;
    customer.profile = Some(profile);
    Ok(customer)
}

/// Changes the permissions of a customer.
///
/// # Errors
///
/// Refuses, in this order: an invalid field, an update without fields, a customer that the
/// merchant does not have.
pub fn update_permissions(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    customer: Option<CustomerId>,
    update: Parsed<PermissionsUpdate>,
) -> Result<Customer, Error> {
    let update = update?.checked()?;
    let mut customer = load(tx, merchant, customer)?;
    customer.permissions = customer.permissions.updated(update);
    tx.save_access(merchant, &customer)?;
    Ok(customer)
}

/// Blocks a customer: no command admits the customer any more. The customer's open escrows
/// stay open.
pub fn block(tx: &mut Tx<'_>, merchant: MerchantId, customer: Option<CustomerId>) -> Result<Customer, Error> {
    let mut customer = load(tx, merchant, customer)?;
    customer.block(tx.now());
    tx.save_access(merchant, &customer)?;
    Ok(customer)
}

/// Unblocks a customer, so that commands admit the customer again.
pub fn unblock(tx: &mut Tx<'_>, merchant: MerchantId, customer: Option<CustomerId>) -> Result<Customer, Error> {
    let mut customer = load(tx, merchant, customer)?;
    customer.unblock();
    tx.save_access(merchant, &customer)?;
    Ok(customer)
}

/// Returns a customer of the merchant. `None` stands for a text that is not a customer id.
///
/// # Errors
///
/// Refuses an id that no customer of the merchant has.
fn load(tx: &Tx<'_>, merchant: MerchantId, customer: Option<CustomerId>) -> Result<Customer, Error> {
    let found = match customer {
        Some(customer) => tx.customer(merchant, &customer)?,
        None => None,
    };
    found.ok_or(Error::Refused(Refusal::NoSuchCustomer))
}

/// Returns true if another customer than this one has the email address.
fn is_taken(tx: &Tx<'_>, merchant: MerchantId, customer: &Customer, email: &Email) -> Result<bool, Error> {
    let holder = tx.customer_by_email(merchant, email)?;
    Ok(holder.is_some_and(|holder| holder.id != customer.id))
}
