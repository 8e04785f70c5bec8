//! What an account does to its categories, and how its deals find them (contract
//! section 4.9).

use crate::commands::customers::admit_party;
use crate::commands::{Error, Policy};
use crate::domain::escrow::category::{Category, CategoryRequest};
use crate::domain::escrow::terms::TermsRequest;
use crate::domain::escrow::vault::VaultRequest;
use crate::domain::ids::{CategoryId, IdSource, MerchantId};
use crate::domain::party::{Actor, Party};
use crate::domain::refusal::{Invalid, Parsed, Refusal};
use crate::store::Tx;

/// A new category of the acting account.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    draft: Parsed<CategoryRequest>,
) -> Result<Category, Error> {
    admit_party(tx, policy, actor)?;
    let (draft, owner) = (draft?, actor.party.clone());
    let count = tx.category_count(actor.merchant, &owner)?;
    let id = tx.category_id();
    let (category, room) = Category::new(id, owner, draft, &policy.terms_limits, count, policy.categories_max)?;
    tx.shift_categories(actor.merchant, &actor.party, room)?;
    tx.insert_category(actor.merchant, &category)?;
    Ok(category)
}

/// Changes a category.
pub fn edit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    id: CategoryId,
    draft: Parsed<CategoryRequest>,
) -> Result<Category, Error> {
    admit_party(tx, policy, actor)?;
    let draft = draft?;
    let (mut category, count) = load(tx, actor, id)?;
    let room = category.edit(&actor.party, draft, &policy.terms_limits, count)?;
    if let Some(room) = room {
        tx.shift_categories(actor.merchant, &actor.party, room)?;
    }
    tx.save_category(&category)?;
    Ok(category)
}

/// Moves a category to another place.
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

/// Takes a category away; its escrows have none from then on.
pub fn delete(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, id: CategoryId) -> Result<(), Error> {
    admit_party(tx, policy, actor)?;
    let (category, count) = load(tx, actor, id)?;
    let gap = category.delete(&actor.party, count)?;
    tx.delete_category(id)?;
    tx.shift_categories(actor.merchant, &actor.party, gap)?;
    Ok(())
}

/// A category of the merchant, and how many its owner has.
fn load(tx: &Tx<'_>, actor: &Actor, id: CategoryId) -> Result<(Category, u32), Error> {
    let category = tx.category(actor.merchant, id)?.ok_or(Refusal::CategoryNotFound)?;
    let count = tx.category_count(actor.merchant, &category.owner)?;
    Ok((category, count))
}

/// Looks up the category that a draft names among the owner's.
pub(super) fn find_for(
    tx: &Tx<'_>,
    merchant: MerchantId,
    owner: &Party,
    draft: TermsRequest,
) -> Result<TermsRequest<Category>, Error> {
    let found = named(tx, merchant, owner, &draft.category)?;
    Ok(draft.with_category(|id| found.ok_or_else(|| not_found(id))))
}

/// Looks up the category that a vault names among the merchant's own.
pub(super) fn find_for_vault(
    tx: &Tx<'_>,
    merchant: MerchantId,
    draft: VaultRequest,
) -> Result<VaultRequest<Category>, Error> {
    let found = named(tx, merchant, &Party::Merchant, &draft.category)?;
    Ok(draft.with_category(|id| found.ok_or_else(|| not_found(id))))
}

fn named(
    tx: &Tx<'_>,
    merchant: MerchantId,
    owner: &Party,
    sent: &Parsed<Option<CategoryId>>,
) -> Result<Option<Category>, Error> {
    let named = sent.as_ref().ok().copied().flatten();
    let found = named.map(|id| tx.category(merchant, id)).transpose()?.flatten();
    Ok(found.filter(|category| category.owner == *owner))
}

fn not_found(id: CategoryId) -> Invalid {
    Invalid::wrong("categoryId", "the id of a category of the seller", &format!("\"{id}\""))
}
