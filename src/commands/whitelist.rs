//! Adding and removing addresses that crypto withdrawals may go to (contract
//! section 4.11).

use crate::commands::admission::admit;
use crate::commands::{Error, Policy};
use crate::domain::ids::{IdSource, WhitelistAddressId};
use crate::domain::invalid::Parsed;
use crate::domain::party::Actor;
use crate::domain::payments::whitelist::{self, WhitelistAddress, WhitelistRequest};
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Adds an address to the acting customer's whitelist.
pub fn add(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<WhitelistRequest>,
) -> Result<WhitelistAddress, Error> {
    admit(tx, policy, actor)?;
    let request = request?;
    policy.check_processor()?;
    let listed = tx.whitelist(actor.merchant, actor.customer())?;
    whitelist::check_addition(&listed, &request.wallet_address)?;
    let address = WhitelistAddress {
        id: tx.whitelist_address_id(),
        wallet_address: request.wallet_address,
        label: request.label,
        created_at: tx.now(),
    };
    tx.insert_whitelist_address(actor.merchant, actor.customer(), &address)?;
    Ok(address)
}

/// Removes an address from the acting customer's whitelist.
pub fn remove(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, id: WhitelistAddressId) -> Result<(), Error> {
    admit(tx, policy, actor)?;
    policy.check_processor()?;
    let listed = tx.whitelist(actor.merchant, actor.customer())?;
    if !listed.iter().any(|address| address.id == id) {
        return Err(Refusal::AddressNotFound.into());
    }
    Ok(tx.delete_whitelist_address(id)?)
}
