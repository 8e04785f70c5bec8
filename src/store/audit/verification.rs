//! The check of the ledger by the service itself: the newest transfers before it starts, and
//! all of them beside its work. Both check invariants 1, 2, 3 and 7, which say that no money was
//! lost, doubled or invented; `escrowd check` checks the others too.

use std::mem;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::chain_hash::ChainHash;
use crate::store::audit::transfers::{StoredTransfer, Sums, transfers_after};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
use crate::store::tables::accounts::is_intact_account;
use crate::store::tables::checked::is_intact;
use crate::store::tables::columns::{read_all, row};
use crate::store::tables::left_behind::left_behind;

/// The transfers that are checked before a start, which takes some ten milliseconds.
const NEWEST_TRANSFERS: i64 = 10_000;
/// The transfers, and the accounts, that are read at a time beside the service's work.
const STEP_ROWS: i64 = 1_000;
/// The most problems that are described.
const PROBLEMS_MAX: usize = 20;

row! {
    struct ComparedAccount<'a>, compared_columns! {
        id: i64,
        merchant_id: i64,
        purpose: &'a str,
        balance: i64,
    }
}

row! {
    pub(super) struct ChainRow, chain_columns! {
        id: i64,
        chain_head: [u8; 32],
    }
}
pub(super) use chain_columns;

/// Returns the merchants whose rows retention may be removing. Their sums are not checked.
///
/// # Errors
///
/// Fails when the file cannot be read.
pub(super) fn merchants_not_checked(connection: Connection<'_>) -> Result<FxHashSet<i64>, Error> {
    let merchants = left_behind(connection)?;
    Ok(merchants.into_iter().map(|merchant| merchant.0).collect())
}

/// Checks that the newest transfers follow from each other, that each merchant's chain ends
/// where its row says, and that the rows of the accounts that they touch are as they were
/// written. Returns the first problem.
///
/// # Errors
///
/// Fails when the file cannot be read.
pub(crate) fn check_newest(connection: Connection<'_>) -> Result<Option<String>, Error> {
    let newest: Option<i64> = connection
        .prepare("SELECT max(id) FROM transfer")?
        .one(params![], |row| row.get(0))?;
    let after = newest.unwrap_or_default() - NEWEST_TRANSFERS;
    let not_checked = merchants_not_checked(connection)?;
    let mut sums = Sums::default();
    for transfer in transfers_after(connection, after, NEWEST_TRANSFERS)? {
        // The first of each merchant follows from one that was not read.
        let merchant = transfer.posted.merchant.0;
        if not_checked.contains(&merchant) {
            continue;
        }
        if after > 0 && !sums.heads.contains_key(&merchant) {
            sums.heads.insert(merchant, transfer.hash);
            continue;
        }
        sums.add(&transfer);
    }
    if let Some((transfer, merchant)) = sums.broken_at.first() {
        return Ok(Some(broken_chain(*transfer, merchant.0)));
    }
    let mut head = connection.prepare("SELECT chain_head FROM merchant WHERE id = ?1")?;
    for (merchant, newest) in &sums.heads {
        let stored: [u8; 32] = head.one(params![merchant], |row| row.get(0))?;
        if ChainHash::from_bytes(stored) != *newest {
            return Ok(Some(lost_transfers(*merchant)));
        }
    }
    let mut intact = connection.prepare(concat!("SELECT ", is_intact_account!(), " FROM account WHERE id = ?1"))?;
    for account in sums.balances.keys() {
        let is_intact: bool = intact.one(params![account], |row| row.get(0))?;
        if !is_intact {
            return Ok(Some(format!(
                "the row of account {account} is not as the service wrote it"
            )));
        }
    }
    Ok(None)
}

/// The check of all transfers and accounts in small steps, each on a snapshot of its own.
#[derive(Default)]
pub(crate) struct Verification {
    sums: Sums,
    /// The newest transfer that was read.
    last_transfer: i64,
    transfers: u64,
    /// The last account that was compared.
    last_account: i64,
    /// The merchant of each account that was compared.
    merchants: FxHashMap<i64, i64>,
    problems: Vec<String>,
}

impl Verification {
    /// Reads some more transfers. If none is left on this snapshot, its balances are those of the
    /// sums, and some more accounts are compared with them. Returns the first problems found once
    /// all accounts are compared.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub(crate) fn step(&mut self, snapshot: Connection<'_>) -> Result<Option<Verified>, Error> {
        let transfers = transfers_after(snapshot, self.last_transfer, STEP_ROWS)?;
        for transfer in &transfers {
            self.sums.add(transfer);
            self.transfers += 1;
        }
        if let Some(StoredTransfer { posted, .. }) = transfers.last() {
            self.last_transfer = posted.id;
        }
        if is_full(transfers.len()) {
            return Ok(None);
        }
        let not_checked = merchants_not_checked(snapshot)?;
        if self.compare_accounts(snapshot, &not_checked)? {
            return Ok(None);
        }
        self.compare_merchants(snapshot, &not_checked)?;
        self.problems.truncate(PROBLEMS_MAX);
        Ok(Some(Verified {
            transfers: self.transfers,
            problems: mem::take(&mut self.problems),
        }))
    }

    /// Compares some more accounts with the sums. Returns true if more may follow.
    fn compare_accounts(&mut self, connection: Connection<'_>, not_checked: &FxHashSet<i64>) -> Result<bool, Error> {
        let mut statement = connection.prepare(concat!(
            "SELECT ",
            compared_columns!(),
            " FROM account WHERE id > ?1 ORDER BY id LIMIT ?2"
        ))?;
        let mut rows = statement.query(params![self.last_account, STEP_ROWS])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            let row = ComparedAccount::read(row)?;
            read += 1;
            self.last_account = row.id;
            if !not_checked.contains(&row.merchant_id) {
                self.compare_account(&row);
            }
        }
        Ok(is_full(read))
    }

    fn compare_account(&mut self, row: &ComparedAccount<'_>) {
        self.merchants.insert(row.id, row.merchant_id);
        let balance = i128::from(row.balance);
        let moved = self.sums.balances.get(&row.id).copied().unwrap_or_default();
        if moved != balance {
            self.problems.push(not_its_transfers(row.id, balance, moved));
        }
        if row.purpose != "OUTSIDE_WORLD" && balance < 0 {
            self.problems.push(below_zero(row.id, row.purpose, balance));
        }
    }

    /// Compares the chain head of each merchant with its newest transfer, and checks that no money
    /// moved from one merchant to another.
    fn compare_merchants(&mut self, connection: Connection<'_>, not_checked: &FxHashSet<i64>) -> Result<(), Error> {
        let mut statement = connection.prepare(concat!("SELECT ", chain_columns!(), " FROM merchant"))?;
        let mut merchants = read_all(statement.query(params![])?, ChainRow::read)?;
        merchants.retain(|merchant| !not_checked.contains(&merchant.id));
        // The other transfers were read before retention removed their merchant.
        let checked: FxHashSet<i64> = merchants.iter().map(|merchant| merchant.id).collect();
        for (transfer, merchant) in &self.sums.broken_at {
            if checked.contains(&merchant.0) {
                self.problems.push(broken_chain(*transfer, merchant.0));
            }
        }
        for ChainRow { id, chain_head } in merchants {
            let newest = self.sums.heads.get(&id).copied().unwrap_or(ChainHash::START);
            if newest != ChainHash::from_bytes(chain_head) {
                self.problems.push(lost_transfers(id));
            }
        }
        let mut of_merchant: FxHashMap<i64, i128> = FxHashMap::default();
        for (account, moved) in &self.sums.balances {
            if let Some(merchant) = self
                .merchants
                .get(account)
                .filter(|merchant| checked.contains(merchant))
            {
                *of_merchant.entry(*merchant).or_default() += moved;
            }
        }
        for (merchant, sum) in of_merchant {
            if sum != 0 {
                self.problems.push(not_zero(merchant, sum));
            }
        }
        Ok(())
    }
}

/// Returns true if a step has read as many rows as it may, so that more may follow.
fn is_full(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= STEP_ROWS)
}

/// The outcome of a [`Verification`].
pub(crate) struct Verified {
    /// The number of transfers that were read.
    pub(crate) transfers: u64,
    pub(crate) problems: Vec<String>,
}

/// The problem of a transfer whose hash is wrong.
pub(super) fn broken_chain(transfer: i64, merchant: i64) -> String {
    format!(
        "transfer {transfer} of merchant {merchant} does not follow from the one before it: it, or that one, was \
         changed, or one between them was removed"
    )
}

/// The problem of a merchant whose balances are not those of money that only moves.
pub(super) fn not_zero(merchant: i64, sum: i128) -> String {
    format!("the balances of merchant {merchant} add up to {sum} and not to zero")
}

/// The problem of an account whose balance is not the sum of its transfers.
pub(super) fn not_its_transfers(account: i64, balance: i128, moved: i128) -> String {
    format!("account {account} has a balance of {balance}, and its transfers add up to {moved}")
}

/// The problem of an account with less than nothing.
pub(super) fn below_zero(account: i64, purpose: &str, balance: i128) -> String {
    format!("account {account} ({purpose}) has a balance of {balance}, below zero")
}

/// The problem of a merchant whose newest transfer is not the one of its chain head.
pub(super) fn lost_transfers(merchant: i64) -> String {
    format!("the newest transfers of merchant {merchant} are missing, or its chain head was changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::schema::SCHEMA;

    /// Steps read some rows each, and the account with the wrong balance is in the last one.
    #[test]
    fn every_account_is_compared_in_steps_of_bounded_length() {
        let accounts = 2 * STEP_ROWS + 5;
        let file = rusqlite::Connection::open_in_memory().unwrap();
        file.execute_batch(SCHEMA).unwrap();
        file.execute_batch(&format!(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO merchant (id, chain_head, wallet_id, wallet_guard, created_at) VALUES (1, zeroblob(32), 1, 1, 0);
             WITH RECURSIVE number (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < {accounts})
             INSERT INTO account (id, merchant_id, customer_id, purpose, balance, updated_at, checksum)
                 SELECT id, 1, 'c' || id, 'CUSTOMER_MAIN', iif(id = {accounts}, 7, 0), 0, 0 FROM number"
        ))
        .unwrap();
        let mut verification = Verification::default();
        let mut steps = 0;
        let verified = loop {
            steps += 1;
            if let Some(verified) = verification.step(Connection::of(&file)).unwrap() {
                break verified;
            }
        };
        assert_eq!((steps, verified.problems), (3, vec![not_its_transfers(accounts, 7, 0)]));
    }
}
