//! Every read, from a snapshot that waits for no writer and that no writer
//! waits for.

pub mod categories;
pub mod customers;
pub mod disputes;
pub mod events;

use std::ops::RangeInclusive;

use crate::domain::customers::customer::{CustomerStanding, Wallet};
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::party_escrows::{EscrowList, PartyEscrowFilter};
use crate::domain::ids::{CustomerId, EscrowKey, EventId, MerchantId};
use crate::domain::ledger::{Account, Transfer};
use crate::domain::merchant::KeyOwner;
use crate::domain::page::PageRequest;
use crate::domain::payments::card::Card;
use crate::domain::payments::history::{HistoryFilter, HistoryShape};
use crate::domain::payments::payment::Payment;
use crate::domain::payments::whitelist::WhitelistAddress;
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::store::{Error, Store, WebhookEndpoint, WriteSummary};

/// Transfers with their numbers, and events with their names.
pub type WriteSummaryRows = (Vec<(i64, Transfer)>, Vec<(EventId, String)>);

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

/// A page of a party's own escrows, newest first, with the report over all of them.
pub fn escrows(
    store: &Store,
    merchant: MerchantId,
    filter: &PartyEscrowFilter,
    request: PageRequest,
) -> Result<EscrowList, Error> {
    store.read(|snapshot| snapshot.escrows(merchant, filter, request))
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

/// The wanted part of an owner's payment history, newest first, and how many
/// transactions are wanted in all. The owner must exist.
pub fn history(
    store: &Store,
    merchant: MerchantId,
    owner: &Account,
    filter: &HistoryFilter,
    shape: HistoryShape,
) -> Result<(Vec<Payment>, u64), Error> {
    store.read(|snapshot| snapshot.history(merchant, owner, filter, shape))
}

/// What a merchant itself has earned.
pub fn merchant_wallet(store: &Store, merchant: MerchantId) -> Result<Wallet, Error> {
    store.read(|snapshot| snapshot.merchant_wallet(merchant))
}

/// How a sandbox merchant wants to be told of events.
pub fn webhook_endpoint(store: &Store, merchant: MerchantId) -> Result<WebhookEndpoint, Error> {
    store.read(|snapshot| snapshot.webhook_endpoint(merchant))
}

/// A customer's saved cards, the one saved first at the front.
pub fn cards(store: &Store, merchant: MerchantId, customer: &CustomerId) -> Result<Vec<Card>, Error> {
    store.read(|snapshot| snapshot.cards(merchant, customer))
}

/// A customer's whitelist, newest first.
pub fn whitelist(store: &Store, merchant: MerchantId, customer: &CustomerId) -> Result<Vec<WhitelistAddress>, Error> {
    store.read(|snapshot| snapshot.whitelist(merchant, customer))
}

/// What a command caused: its transfers, each with its number, and its events that were
/// not swept meanwhile, each with its name; oldest first.
pub fn caused(store: &Store, caused: &WriteSummary) -> Result<WriteSummaryRows, Error> {
    store.read(|snapshot| {
        let transfers = match &caused.transfers {
            Some(numbers) => snapshot.transfers_in(numbers)?,
            None => Vec::new(),
        };
        let mut events = Vec::with_capacity(caused.events.len());
        for &event in &caused.events {
            events.extend(snapshot.event_name(event)?.map(|name| (event, name)));
        }
        Ok((transfers, events))
    })
}

/// The transfers of the file with these numbers, whoever's they are: oldest first,
/// each with its own. Unbounded: ask for those of one command, or since the last time.
pub fn transfers_in(store: &Store, numbers: RangeInclusive<i64>) -> Result<Vec<(i64, Transfer)>, Error> {
    store.read(|snapshot| snapshot.transfers_in(&numbers))
}

/// How far a merchant's clock is ahead of the file's time.
pub fn clock(store: &Store, merchant: MerchantId) -> Result<ClockOffset, Error> {
    store.read(|snapshot| snapshot.clock_of(merchant))
}
