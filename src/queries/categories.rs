//! An account's categories (contract section 4.9).

use crate::domain::escrow::category::Category;
use crate::domain::ids::{CategoryId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::Party;
use crate::store::{Error, Store};

/// A page of them, in their order.
pub fn page(store: &Store, merchant: MerchantId, owner: &Party, request: PageRequest) -> Result<Page<Category>, Error> {
    store.read(|snapshot| snapshot.categories(merchant, owner, request))
}

/// One of them; anyone else's is as good as none.
pub fn by_id(store: &Store, merchant: MerchantId, owner: &Party, id: CategoryId) -> Result<Option<Category>, Error> {
    let category = store.read(|snapshot| snapshot.category(merchant, id))?;
    Ok(category.filter(|category| category.owner == *owner))
}
