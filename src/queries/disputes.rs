//! Disputes and feeds (contract sections 4.6.3 to 4.6.6).

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::store::{Error, Store};

/// A page of a merchant's deals, newest first.
pub fn deals(
    store: &Store,
    merchant: MerchantId,
    filter: &MerchantEscrowFilter,
    request: PageRequest,
) -> Result<Page<Deal>, Error> {
    store.read(|snapshot| snapshot.deals(merchant, filter, request))
}

/// A disputed escrow, for its buyer and its seller; for anyone else there is none.
pub fn disputed(
    store: &Store,
    merchant: MerchantId,
    party: &CustomerId,
    escrow: EscrowId,
) -> Result<Option<Escrow>, Error> {
    let deal = store.read(|snapshot| snapshot.deal(merchant, &EscrowKey::Id(escrow)))?;
    Ok(match deal {
        Some(Deal::Escrow(escrow)) if escrow.dispute().is_some() && escrow.has_party(party) => Some(escrow),
        _ => None,
    })
}
