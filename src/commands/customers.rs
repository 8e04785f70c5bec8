//! Admitting customers to commands, and a merchant's commands on its customers (contract
//! sections 1.3 and 4.4).

use crate::commands::{Error, Policy, outbox};
use crate::domain::customers::customer::{Admission, Customer, CustomerAccess, PermissionsUpdate};
use crate::domain::customers::placeholder;
use crate::domain::customers::profile::{Profile, ProfileRequest, ProfileUpdate, ProfileUpdateRequest};
use crate::domain::escrow::terms::MilestoneTerms;
use crate::domain::ids::{CustomerId, IdSource, MerchantId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::payment;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// The parsed request to set the balance of a customer's wallet.
#[derive(Clone, Debug)]
pub struct BalanceRequest {
    pub customer: CustomerId,
    pub balance: Amount,
}

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
    let effects = payment::set_balance(customer, from, balance, inside, tx.booking())?;
    Ok(outbox::apply(tx, policy, merchant, &effects, &[])?)
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
    let effects = payment::opening_balance(customer, amount, inside, tx.booking())?;
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
