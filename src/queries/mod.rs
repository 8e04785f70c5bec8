//! Every read, from a snapshot that waits for no writer and that no writer
//! waits for.

pub mod categories;
pub mod customers;
pub mod disputes;
pub mod events;

use std::ops::RangeInclusive;

use crate::domain::card::Card;
use crate::domain::customer::{CustomerStanding, Wallet};
use crate::domain::deal::Deal;
use crate::domain::history::{HistoryFilter, HistoryShape};
use crate::domain::ids::{CustomerId, EscrowKey, EventId, MerchantId};
use crate::domain::ledger::{Account, Transfer};
use crate::domain::listing::{EscrowFilter, EscrowList};
use crate::domain::merchant::KeyOwner;
use crate::domain::merchant_clock::ClockOffset;
use crate::domain::page::PageRequest;
use crate::domain::payment::Payment;
use crate::domain::time::Timestamp;
use crate::domain::whitelist::WhitelistAddress;
use crate::store::{CallbackSetting, Caused, Error, ExpiredRecord, Store};

/// Transfers with their numbers, and events with their names.
pub type CausedRows = (Vec<(i64, Transfer)>, Vec<(EventId, String)>);

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
    filter: &EscrowFilter,
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
pub fn callback_setting(store: &Store, merchant: MerchantId) -> Result<CallbackSetting, Error> {
    store.read(|snapshot| snapshot.callback_setting(merchant))
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
pub fn caused(store: &Store, caused: &Caused) -> Result<CausedRows, Error> {
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

/// Replies kept for retries that are older than this by the clocks of their merchants,
/// at most so many.
pub fn expired_idempotency_records(
    store: &Store,
    file_time: Timestamp,
    kept_seconds: i64,
    records_max: u32,
) -> Result<Vec<ExpiredRecord>, Error> {
    store.read(|snapshot| snapshot.expired_idempotency_records(file_time, kept_seconds, records_max))
}
