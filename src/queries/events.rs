//! What subscribers of a merchant were told.

use crate::domain::events::event::{EventFilter, EventOrder, RecordedEvent};
use crate::domain::ids::{EventId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::store::{Error, Store};

/// A page of it.
pub fn page(
    store: &Store,
    merchant: MerchantId,
    filter: &EventFilter,
    order: EventOrder,
    request: PageRequest,
) -> Result<Page<RecordedEvent>, Error> {
    store.read(|snapshot| snapshot.events(merchant, filter, order, request))
}

/// One event; another merchant's is as good as none.
pub fn by_id(store: &Store, merchant: MerchantId, id: EventId) -> Result<Option<RecordedEvent>, Error> {
    store.read(|snapshot| snapshot.event(merchant, id))
}
