//! Categories, as far as deals are sorted into them.

use super::Error;
use crate::domain::category::Category;
use crate::domain::ids::MerchantId;
use crate::domain::party::Party;
use crate::domain::refusal::Invalid;
use crate::domain::terms::TermsDraft;
use crate::store::Tx;

/// Looks up the category that a draft names among the owner's.
pub(super) fn find_for(
    tx: &Tx<'_>,
    merchant: MerchantId,
    owner: &Party,
    draft: TermsDraft,
) -> Result<TermsDraft<Category>, Error> {
    let named = draft.category.as_ref().ok().copied().flatten();
    let found = named.map(|id| tx.category(merchant, owner, id)).transpose()?.flatten();
    Ok(draft.with_category(|id| {
        found.ok_or_else(|| Invalid::wrong("categoryId", "the id of a category of the seller", &format!("\"{id}\"")))
    }))
}
