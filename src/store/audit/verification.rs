//! The check of the ledger by the service itself: the newest transfers before it starts, and
//! all of them beside its work. Both check invariants 1, 2, 3 and 7, which say that no money was
//! lost, doubled or invented; `escrowd check` checks the others too.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::ledger::ChainHash;
use crate::store::audit::transfers::{StoredTransfer, Sums, transfers_after};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
use crate::store::tables::accounts::is_intact_account;
use crate::store::tables::checked::is_intact;
use crate::store::tables::columns::{read_all, row};
use crate::store::tables::left_behind::left_behind;

/// The transfers that are checked before a start, which takes some ten milliseconds.
const NEWEST_TRANSFERS: i64 = 10_000;
/// The transfers that are read at a time beside the service's work.
const STEP_TRANSFERS: i64 = 1_000;
/// The most problems that are described.
const PROBLEMS_MAX: usize = 20;

row! {
    struct AccountRow<'a>, account_columns! {
        id: i64,
        merchant_id: i64,
        purpose: &'a str,
        balance: i64,
    }
}

row! {
    struct ChainRow, chain_columns! {
        id: i64,
        chain_head: [u8; 32],
    }
}

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

/// The check of all transfers in small steps.
#[derive(Default)]
pub(crate) struct Verification {
    sums: Sums,
    last: i64,
    transfers: u64,
}

impl Verification {
    /// Reads some more transfers, each step on a snapshot of its own. At the end compares
    /// the sums with the accounts, and returns the first problems found.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub(crate) fn step(&mut self, snapshot: Connection<'_>) -> Result<Option<Verified>, Error> {
        let transfers = transfers_after(snapshot, self.last, STEP_TRANSFERS)?;
        for transfer in &transfers {
            self.sums.add(transfer);
            self.transfers += 1;
        }
        if let Some(StoredTransfer { posted, .. }) = transfers.last() {
            self.last = posted.id;
        }
        // No transfer is left on this snapshot, so its balances are those of the sums.
        let is_last = i64::try_from(transfers.len()).is_ok_and(|read| read < STEP_TRANSFERS);
        is_last.then(|| self.compare(snapshot)).transpose()
    }

    fn compare(&mut self, connection: Connection<'_>) -> Result<Verified, Error> {
        let mut problems: Vec<String> = Vec::new();
        let not_checked = merchants_not_checked(connection)?;
        let mut statement = connection.prepare(concat!("SELECT ", chain_columns!(), " FROM merchant"))?;
        let mut merchants = read_all(statement.query(params![])?, ChainRow::read)?;
        merchants.retain(|merchant| !not_checked.contains(&merchant.id));
        // Those of others were read before retention removed their merchant.
        let checked: FxHashSet<i64> = merchants.iter().map(|merchant| merchant.id).collect();
        for (transfer, merchant) in &self.sums.broken_at {
            if checked.contains(&merchant.0) {
                problems.push(broken_chain(*transfer, merchant.0));
            }
        }
        for ChainRow { id, chain_head } in merchants {
            let newest = self.sums.heads.get(&id).copied().unwrap_or(ChainHash::START);
            if newest != ChainHash::from_bytes(chain_head) {
                problems.push(lost_transfers(id));
            }
        }
        let mut of_merchant: FxHashMap<i64, i128> = FxHashMap::default();
        let mut statement = connection.prepare(concat!("SELECT ", account_columns!(), " FROM account"))?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            let row = AccountRow::read(row)?;
            if !not_checked.contains(&row.merchant_id) {
                self.compare_account(&row, &mut of_merchant, &mut problems);
            }
        }
        for (merchant, sum) in of_merchant {
            if sum != 0 {
                problems.push(not_zero(merchant, sum));
            }
        }
        problems.truncate(PROBLEMS_MAX);
        Ok(Verified {
            transfers: self.transfers,
            problems,
        })
    }

    fn compare_account(
        &self,
        row: &AccountRow<'_>,
        of_merchant: &mut FxHashMap<i64, i128>,
        problems: &mut Vec<String>,
    ) {
        let balance = i128::from(row.balance);
        *of_merchant.entry(row.merchant_id).or_default() += balance;
        let moved = self.sums.balances.get(&row.id).copied().unwrap_or_default();
        if moved != balance {
            problems.push(not_its_transfers(row.id, balance, moved));
        }
        if row.purpose != "OUTSIDE_WORLD" && balance < 0 {
            problems.push(below_zero(row.id, row.purpose, balance));
        }
    }
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
