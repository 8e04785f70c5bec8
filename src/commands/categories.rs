//! Commands on categories, and the lookup of an escrow's category (contract section 4.9).

use crate::commands::admission::admit_party;
use crate::commands::{Error, Policy};
use crate::domain::escrow::category::{self, Category, CategoryRequest};
use crate::domain::ids::{CategoryId, IdSource, MerchantId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::party::{Actor, Party};
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Creates a category that the actor's party owns.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<CategoryRequest>,
) -> Result<Category, Error> {
    admit_party(tx, policy, actor)?;
    let (request, owner) = (request?, actor.party.clone());
    let count = tx.category_count(actor.merchant, &owner)?;
    let id = tx.category_id();
    let (category, room) = Category::new(id, owner, request, &policy.terms_limits, count, policy.categories_max)?;
    tx.shift_categories(actor.merchant, &actor.party, room)?;
    tx.insert_category(actor.merchant, &category)?;
    Ok(category)
}

/// Edits a category.
pub fn edit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    id: CategoryId,
    request: Parsed<CategoryRequest>,
) -> Result<Category, Error> {
    admit_party(tx, policy, actor)?;
    let request = request?;
    let (mut category, count) = load(tx, actor, id)?;
    let room = category.edit(&actor.party, request, &policy.terms_limits, count)?;
    if let Some(room) = room {
        tx.shift_categories(actor.merchant, &actor.party, room)?;
    }
    tx.save_category(&category)?;
    Ok(category)
}

/// Moves a category to another position.
pub fn move_to(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    id: CategoryId,
    position: Parsed<i64>,
) -> Result<Category, Error> {
    admit_party(tx, policy, actor)?;
    let position = position?;
    let (mut category, count) = load(tx, actor, id)?;
    if let Some(room) = category.move_to(&actor.party, position, count)? {
        tx.shift_categories(actor.merchant, &actor.party, room)?;
        tx.save_category(&category)?;
    }
    Ok(category)
}

/// Deletes a category. Its escrows are left without a category.
pub fn delete(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, id: CategoryId) -> Result<(), Error> {
    admit_party(tx, policy, actor)?;
    let (category, count) = load(tx, actor, id)?;
    let gap = category.delete(&actor.party, count)?;
    tx.delete_category(actor.merchant, &category)?;
    tx.shift_categories(actor.merchant, &actor.party, gap)?;
    Ok(())
}

/// Returns a category of the merchant, and the number of categories that its owner has.
fn load(tx: &Tx<'_>, actor: &Actor, id: CategoryId) -> Result<(Category, u32), Error> {
    let category = tx.category(actor.merchant, id)?.ok_or(Refusal::CategoryNotFound)?;
    let count = tx.category_count(actor.merchant, &category.owner)?;
    Ok((category, count))
}

/// Returns the category that a request names, or `None` if it names none.
///
/// # Errors
///
/// Refuses a category that neither `owner` nor the merchant owns.
pub(super) fn find(
    tx: &Tx<'_>,
    merchant: MerchantId,
    owner: &Party,
    id: Option<CategoryId>,
) -> Result<Option<Category>, Error> {
    let Some(id) = id else {
        return Ok(None);
    };
    let found = tx
        .category(merchant, id)?
        .filter(|category| category.owner == *owner || category.owner == Party::Merchant)
        .ok_or_else(|| {
            let expected = match owner {
                Party::Customer(_) => category::OF_SELLER_OR_MERCHANT,
                Party::Merchant => category::OF_MERCHANT,
            };
            Invalid::wrong("categoryId", expected, &format!("\"{id}\""))
        })?;
    Ok(Some(found))
}
