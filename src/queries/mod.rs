//! Every read, from a snapshot that waits for no writer and that no writer
//! waits for.

pub mod customers;

use crate::domain::category::Category;
use crate::domain::customer::{CustomerStanding, Wallet};
use crate::domain::deal::Deal;
use crate::domain::ids::{CategoryId, CustomerId, EscrowKey, MerchantId};
use crate::domain::ledger::Transfer;
use crate::domain::merchant::KeyOwner;
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::Party;
use crate::store::{Error, Store};

/// That the file can be read.
pub fn is_readable(store: &Store) -> Result<(), Error> {
    store.read(|_snapshot| Ok(()))
}

/// Whose the key with this SHA-256 hash is, if it is known.
pub fn owner_of_key(store: &Store, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
    store.read(|snapshot| snapshot.owner_of_key(key_hash))
}

/// A merchant's deal; another merchant's is as good as none.
pub fn deal(store: &Store, merchant: MerchantId, key: &EscrowKey) -> Result<Option<Deal>, Error> {
    store.read(|snapshot| snapshot.deal(merchant, key))
}

/// How a customer stands; `None` for one nobody has seen.
pub fn customer_standing(
    store: &Store,
    merchant: MerchantId,
    customer: &CustomerId,
) -> Result<Option<CustomerStanding>, Error> {
    store.read(|snapshot| snapshot.customer_standing(merchant, customer))
}

/// A customer's wallet; `None` for a customer nobody has seen.
pub fn wallet(store: &Store, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Wallet>, Error> {
    store.read(|snapshot| snapshot.wallet(merchant, customer))
}

/// A page of an account's categories, in their order.
pub fn categories(
    store: &Store,
    merchant: MerchantId,
    owner: &Party,
    request: PageRequest,
) -> Result<Page<Category>, Error> {
    store.read(|snapshot| snapshot.categories(merchant, owner, request))
}

/// A category of this account; anyone else's is as good as none.
pub fn category(store: &Store, merchant: MerchantId, owner: &Party, id: CategoryId) -> Result<Option<Category>, Error> {
    let category = store.read(|snapshot| snapshot.category(merchant, id))?;
    Ok(category.filter(|category| category.owner == *owner))
}

/// Every transfer of the file, whoever's it is, that was posted after the one with
/// this number: oldest first, each with its own number. For the operator's eyes;
/// unbounded, so ask for what came since the last time.
pub fn transfers_after(store: &Store, id: i64) -> Result<Vec<(i64, Transfer)>, Error> {
    store.read(|snapshot| snapshot.transfers_after(id))
}
