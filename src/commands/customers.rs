//! A merchant's commands on its customers (contract section 4.4).

use crate::commands::admission::register;
use crate::commands::{Error, Policy, outbox};
use crate::domain::customers::customer::{Admission, Customer, PermissionsUpdate};
use crate::domain::customers::profile::{Profile, ProfileRequest, ProfileUpdate, ProfileUpdateRequest};
use crate::domain::ids::{CustomerId, IdSource, MerchantId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::payments::play_money;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// The parsed request to set the balance of a customer's wallet.
#[derive(Clone, Debug)]
pub struct BalanceRequest {
    pub customer: CustomerId,
    pub balance: Amount,
}

/// Brings the wallet of a sandbox customer to this balance. Registers an unknown customer with
/// it, if the sandbox is not strict. Returns the customer.
///
/// # Errors
///
/// Refuses, in this order: live mode, an invalid field, an unknown customer of a strict
/// sandbox, money beyond what the merchant's accounts can hold.
pub fn set_balance(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    request: Parsed<BalanceRequest>,
) -> Result<BalanceRequest, Error> {
    if policy.mode != Mode::Sandbox {
        return Err(Refusal::SandboxOnly.into());
    }
    let request = request?;
    let BalanceRequest { customer, balance } = &request;
    if tx.customer_access(merchant, customer)?.is_some() {
        bring_balance_to(tx, policy, merchant, customer, *balance)?;
    } else if let Admission::Register { .. } = policy.admission {
        let profile = Profile::unknown(policy.settings_in_force(tx, merchant)?.country);
        register(tx, policy, merchant, customer.clone(), profile, *balance)?;
    } else {
        let expected = "a customer of this merchant";
        return Err(Invalid::wrong("customerId", expected, &format!("\"{customer}\"")).into());
    }
    Ok(request)
}

/// Transfers the difference between a wallet's balance and this one from or to the outside.
pub(super) fn bring_balance_to(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    customer: &CustomerId,
    balance: Amount,
) -> Result<(), Error> {
    let from = tx.balance(merchant, &Account::CustomerMain(customer.clone()))?;
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let effects = play_money::set_balance(customer, from, balance, inside, tx.booking())?;
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
    let profile = Profile::new(request?, policy.settings_in_force(tx, merchant)?.country)?;
    check_unused(tx, merchant, &profile, None)?;
    let now = tx.now();
    let customer = Customer::new(tx.customer_id(), tx.wallet_id(), Some(profile), now);
    tx.insert_customer(merchant, &customer)?;
    Ok(customer)
}

/// Refuses a profile whose email address or phone another customer than `id` has.
pub(super) fn check_unused(
    tx: &Tx<'_>,
    merchant: MerchantId,
    profile: &Profile,
    id: Option<&CustomerId>,
) -> Result<(), Error> {
    if let Some(email) = &profile.email
        && is_other(tx.customer_by_email(merchant, email)?, id)
    {
        return Err(Refusal::EmailExists.into());
    }
    if let Some(phone) = &profile.phone
        && is_other(tx.customer_with_phone(merchant, phone)?, id)
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
    customer: Parsed<CustomerId>,
    request: Parsed<ProfileUpdateRequest>,
) -> Result<Customer, Error> {
    let update = ProfileUpdate::new(request?)?;
    let mut customer = load(tx, merchant, customer)?;
    if let Some(email) = update.email()
        && is_other(tx.customer_by_email(merchant, email)?, Some(&customer.id))
    {
        return Err(Refusal::EmailTaken.into());
    }
    let country = policy.settings_in_force(tx, merchant)?.country;
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
    customer: Parsed<CustomerId>,
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
pub fn block(tx: &mut Tx<'_>, merchant: MerchantId, customer: Parsed<CustomerId>) -> Result<Customer, Error> {
    let mut customer = load(tx, merchant, customer)?;
    customer.block(tx.now());
    tx.save_access(merchant, &customer)?;
    Ok(customer)
}

/// Unblocks a customer, so that commands admit the customer again.
pub fn unblock(tx: &mut Tx<'_>, merchant: MerchantId, customer: Parsed<CustomerId>) -> Result<Customer, Error> {
    let mut customer = load(tx, merchant, customer)?;
    customer.unblock();
    tx.save_access(merchant, &customer)?;
    Ok(customer)
}

/// Returns a customer of the merchant.
///
/// # Errors
///
/// Refuses a text that is not a customer id, and an id that no customer of the merchant has.
fn load(tx: &Tx<'_>, merchant: MerchantId, customer: Parsed<CustomerId>) -> Result<Customer, Error> {
    let customer = customer.map_err(Refusal::NoSuchCustomerId)?;
    let found = tx.customer(merchant, &customer)?;
    found.ok_or(Error::Refused(Refusal::NoSuchCustomer))
}

/// Returns true if the customer who was found is another one than this.
fn is_other(found: Option<Customer>, id: Option<&CustomerId>) -> bool {
    found.is_some_and(|found| Some(&found.id) != id)
}
