//! The memory that the commands of one group share.
//!
//! While a group lasts there is no other writer, so what one of its commands has read or changed
//! is true for the next ones. On PostgreSQL, where each read is a round trip, the next group goes on
//! with it if no other process has committed since. Otherwise it is cleared for the next group.

use std::collections::{BTreeMap, HashMap};

use crate::domain::ids::MerchantId;
use crate::domain::merchant::key::KeyOwner;
use crate::store::account_row::AccountRows;
use crate::store::merchant_row::MerchantRow;

/// The most rows of each kind that groups leave to the next one.
const ROWS_MAX: usize = 8_192;

/// The rows and numbers that the commands of a group have left for the next ones.
#[derive(Debug, Default)]
pub struct GroupMemory {
    pub(crate) merchants: BTreeMap<MerchantId, MerchantRow>,
    /// The accounts that commands have posted to.
    pub(crate) accounts: AccountRows,
    /// The number of the newest transfer of all merchants, if it is known.
    pub(crate) newest_transfer: Option<i64>,
    /// The owners of keys, by the SHA-256 hashes of the keys.
    pub(crate) key_owners: HashMap<[u8; 32], KeyOwner>,
    /// The numbers of the names of events.
    pub(crate) event_names: HashMap<String, i64>,
}

/// The rows and numbers that one command has loaded or changed. They become part of the group's
/// memory when the command is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandMemory {
    pub(crate) merchants: Vec<MerchantRow>,
    pub(crate) accounts: AccountRows,
    /// The number of the deal with which the accounts of its customers were asked for.
    pub(crate) asked_deal: Option<i64>,
    /// The merchants whose accounts the command has removed, which the group forgets.
    pub(crate) without_accounts: Vec<MerchantId>,
    pub(crate) newest_transfer: Option<i64>,
    pub(crate) event_names: HashMap<String, i64>,
}

impl GroupMemory {
    /// Forgets everything, for the next group.
    pub fn clear(&mut self) {
        self.merchants.clear();
        self.accounts.clear();
        self.newest_transfer = None;
        self.key_owners.clear();
        self.event_names.clear();
    }

    /// Forgets everything if the next group could not remember much more.
    pub(crate) fn clear_if_full(&mut self) {
        let accounts: usize = self.accounts.values().map(HashMap::len).sum();
        let rows = [accounts, self.merchants.len(), self.key_owners.len()];
        if rows.into_iter().any(|rows| rows > ROWS_MAX) {
            self.clear();
        }
    }

    /// Takes over what a command has loaded and changed.
    pub(crate) fn keep(&mut self, command: &mut CommandMemory) {
        for row in command.merchants.drain(..) {
            self.merchants.insert(row.id, row);
        }
        for merchant in command.without_accounts.drain(..) {
            self.accounts.remove(&merchant);
        }
        for (merchant, rows) in command.accounts.drain() {
            self.accounts.entry(merchant).or_default().extend(rows);
        }
        self.newest_transfer = command.newest_transfer.take().or(self.newest_transfer);
        self.event_names.extend(command.event_names.drain());
    }
}
